import type { TranslationBundle } from '@jupyterlab/translation';
import { ReactWidget } from '@jupyterlab/ui-components';
import type { Message } from '@lumino/messaging';

import { jobsIcon } from '../../icon';
import type { Folds } from '../../model/folds';
import type { Listing } from '../../model/listing';
import type { JobPool } from '../../model/pool';
import type { Run } from './actions';
import { Sidebar } from './sidebar';

/** The sidebar as a widget of the shell. */
export class JobsPanel extends ReactWidget {
  constructor(
    private readonly listing: Listing,
    private readonly pool: JobPool | null,
    private readonly folds: Folds,
    private readonly trans: TranslationBundle,
    private readonly run: Run
  ) {
    super();
    this.id = 'qhub-ext-jobs';
    this.addClass('qhub-Panel');
    this.title.icon = jobsIcon;
    this.title.caption = trans.__('Quantum jobs');
    this.node.setAttribute('role', 'region');
    this.node.setAttribute('aria-label', trans.__('Quantum jobs'));
  }

  protected render(): JSX.Element {
    return (
      <Sidebar
        listing={this.listing}
        pool={this.pool}
        folds={this.folds}
        shown={this.isVisible}
        trans={this.trans}
        run={this.run}
        onList={() => this.listCame()}
      />
    );
  }

  protected onAfterAttach(message: Message): void {
    super.onAfterAttach(message);
    if (this.isVisible) {
      this.listing.model.devices.start();
    }
  }

  protected onAfterShow(message: Message): void {
    super.onAfterShow(message);
    this.listing.model.devices.start();
    this.update();
  }

  protected onAfterHide(message: Message): void {
    super.onAfterHide(message);
    this.update();
  }

  /** After a dialog that the panel had asked for: where nothing else has the focus, the list takes it back. */
  regainFocus(): void {
    if (this.isVisible && document.activeElement === document.body) {
      this.focus();
    }
  }

  protected onActivateRequest(message: Message): void {
    super.onActivateRequest(message);
    this.focus();
  }

  private focus(): void {
    const row = this.node.querySelector<HTMLElement>(
      '[role=row][tabindex="0"]'
    );
    (row ?? this.node.querySelector<HTMLElement>('button'))?.focus();
    const { loaded, jobs } = this.listing.model;
    const isComing = row === null && (!loaded || jobs.length > 0);
    this._meanwhile = isComing ? document.activeElement : null;
  }

  /** Who came before the list did stands in it now, unless they have gone on. */
  private listCame(): void {
    const meanwhile = this._meanwhile;
    this._meanwhile = null;
    if (meanwhile !== null && document.activeElement === meanwhile) {
      this.focus();
    }
  }

  /** What has the focus until there is a list. */
  private _meanwhile: Element | null = null;
}

import type { IRenderMimeRegistry } from '@jupyterlab/rendermime';
import type { TranslationBundle } from '@jupyterlab/translation';
import { ReactWidget } from '@jupyterlab/ui-components';

import { fleetIcon } from '../../icon';
import type { FleetModel } from '../../model/fleet';
import { FleetFace } from './face';

/** The fleet in the main area; asks only while it is in sight. */
export class FleetView extends ReactWidget {
  constructor(
    private readonly _model: FleetModel,
    private readonly _rendermime: IRenderMimeRegistry | null,
    private readonly _trans: TranslationBundle
  ) {
    super();
    this.id = 'qhub-fleet';
    this.addClass('qhub-Fleet');
    this.title.icon = fleetIcon;
    this.title.label = _trans.__('Fleet');
    this.title.caption = _trans.__('Jobs of the whole site');
    this.title.closable = true;
    this.node.tabIndex = 0;
  }

  dispose(): void {
    if (!this.isDisposed) {
      super.dispose();
      this._model.dispose();
    }
  }

  protected onAfterShow(): void {
    this.update();
  }

  protected onAfterHide(): void {
    this.update();
  }

  protected render(): JSX.Element {
    return (
      <FleetFace
        model={this._model}
        shown={this.isVisible}
        rendermime={this._rendermime}
        trans={this._trans}
      />
    );
  }
}

import type { TranslationBundle } from '@jupyterlab/translation';
import { ReactWidget } from '@jupyterlab/ui-components';

import { jobsIcon } from '../../icon';
import { activityWords } from '../../model/activity';
import type { JobsModel } from '../../model/jobs';
import { useSignal } from '../signal';

/** What runs and waits, in the status bar; a click shows the sidebar. */
export function Status(props: {
  model: JobsModel;
  trans: TranslationBundle;
  show: () => void;
}): JSX.Element {
  const { model, trans } = props;
  useSignal(model.changed);
  const words = activityWords(model.counts, trans);
  return (
    <button
      className="qhub-StatusItem"
      data-stale={model.connection !== 'live'}
      title={
        model.connection === 'live'
          ? trans.__('Show your quantum jobs')
          : trans.__('Not up to date: the server does not answer')
      }
      onClick={props.show}
    >
      <jobsIcon.react tag="span" width="14px" height="14px" />
      <span>{words}</span>
    </button>
  );
}

export class StatusItem extends ReactWidget {
  constructor(
    private readonly model: JobsModel,
    private readonly trans: TranslationBundle,
    private readonly show_: () => void
  ) {
    super();
    this.addClass('qhub-Status');
  }

  protected render(): JSX.Element {
    return <Status model={this.model} trans={this.trans} show={this.show_} />;
  }
}

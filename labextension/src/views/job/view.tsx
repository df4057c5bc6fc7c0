import type { IRenderMimeRegistry } from '@jupyterlab/rendermime';
import type { TranslationBundle } from '@jupyterlab/translation';
import { ReactWidget } from '@jupyterlab/ui-components';
import type { CommandRegistry } from '@lumino/commands';

import { jobsIcon } from '../../icon';
import { JobFacets } from '../../model/facets';
import type { JobModel } from '../../model/job';
import type { JobPool } from '../../model/pool';
import { plain, shortId } from '../../words';
import type { Highlight } from './context';
import { JobFace } from './face';

export interface JobViewOptions {
  pool: JobPool;
  commands: CommandRegistry;
  rendermime: IRenderMimeRegistry;
  trans: TranslationBundle;
  highlight: Highlight | null;
}

/** One job in the main area. */
export class JobView extends ReactWidget {
  constructor(
    readonly jobId: string,
    private readonly _options: JobViewOptions
  ) {
    super();
    const { pool, trans } = _options;
    this.id = `qhub-job-${jobId}`;
    this.addClass('qhub-Job');
    this.title.icon = jobsIcon;
    this.title.closable = true;
    this.title.label = shortId(jobId);
    this.title.caption = trans.__('Quantum job %1', jobId);
    this._model = pool.take(jobId);
    this._facets = new JobFacets(this._model, pool.jobs);
    this._model.changed.connect(this._name, this);
    this._name();
  }

  dispose(): void {
    if (!this.isDisposed) {
      this._model.changed.disconnect(this._name, this);
      super.dispose();
      this._options.pool.release(this._model);
    }
  }

  protected render(): JSX.Element {
    return (
      <JobFace
        context={{
          model: this._model,
          facets: this._facets,
          jobs: this._options.pool.jobs,
          ...this._options
        }}
      />
    );
  }

  private _name(): void {
    const { job } = this._model;
    if (job !== null && job.name !== '') {
      this.title.label = plain(job.name, 30);
      this.title.caption = `${plain(job.name, 200)}\n${this.jobId}`;
    }
  }

  private readonly _model: JobModel;
  private readonly _facets: JobFacets;
}

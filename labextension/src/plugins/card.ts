import type {
  JupyterFrontEnd,
  JupyterFrontEndPlugin
} from '@jupyterlab/application';
import { IRenderMimeRegistry } from '@jupyterlab/rendermime';
import { ITranslator, nullTranslator } from '@jupyterlab/translation';

import { JobPool } from '../model/pool';
import type { JobsModel } from '../model/jobs';
import { IJobPool, IJobsModel } from '../tokens';
import { cardFactory } from '../views/card/card';

/** Provides the models of single jobs. */
export const poolPlugin: JupyterFrontEndPlugin<JobPool> = {
  id: 'qhub-ext:pool',
  description: 'Shares one model per job among all views of it.',
  autoStart: true,
  requires: [IJobsModel],
  provides: IJobPool,
  activate: (_: JupyterFrontEnd, jobs: JobsModel) => new JobPool(jobs)
};

/** Draws job cards in notebooks. */
export const cardPlugin: JupyterFrontEndPlugin<void> = {
  id: 'qhub-ext:card',
  description: 'Draws the card of a job under its cell, and keeps it alive.',
  autoStart: true,
  requires: [IJobPool, IRenderMimeRegistry],
  optional: [ITranslator],
  activate: (
    app: JupyterFrontEnd,
    pool: JobPool,
    rendermime: IRenderMimeRegistry,
    translator: ITranslator | null
  ) => {
    rendermime.addFactory(
      cardFactory({
        pool,
        commands: app.commands,
        trans: (translator ?? nullTranslator).load('qhub_ext')
      }),
      0
    );
  }
};

import { Token } from '@lumino/coreutils';

import type { JobsModel } from './model/jobs';

/** The model of this page's jobs: one for sidebar, cards, status bar and notifications. */
export const IJobsModel = new Token<JobsModel>(
  'qhub-ext:IJobsModel',
  'The jobs of this user, kept in step with the server.'
);

export const CommandIDs = {
  showJobs: 'qhub-ext:show-jobs',
  openJob: 'qhub-ext:open-job',
  cancel: 'qhub-ext:cancel',
  hold: 'qhub-ext:hold',
  release: 'qhub-ext:release',
  requeue: 'qhub-ext:requeue',
  rerun: 'qhub-ext:rerun',
  chooseTier: 'qhub-ext:choose-tier',
  runCellOn: 'qhub-ext:run-cell-on',
  submitNotebook: 'qhub-ext:submit-notebook'
} as const;

import { Token } from '@lumino/coreutils';

import type { JobsModel } from './model/jobs';
import type { JobPool } from './model/pool';
import type { Listing } from './model/listing';

/** The model of this page's jobs: one for sidebar, cards, status bar and notifications. */
export type IJobsModel = JobsModel;
export const IJobsModel = new Token<JobsModel>(
  'qhub-ext:IJobsModel',
  'The jobs of this user, kept in step with the server.'
);

/** One model per job, shared by all its views. */
export const IJobPool = new Token<JobPool>(
  'qhub-ext:IJobPool',
  'The models of single jobs: one each, whatever the number of its views.'
);

/** What the sidebar lists and what is selected there. */
export type IListing = Listing;
export const IListing = new Token<Listing>(
  'qhub-ext:IListing',
  'The jobs that the sidebar lists, and its selection.'
);

export const CommandIDs = {
  showJobs: 'qhub-ext:show-jobs',
  openJob: 'qhub-ext:open-job',
  openSelected: 'qhub-ext:open-selected',
  cancel: 'qhub-ext:cancel',
  hold: 'qhub-ext:hold',
  release: 'qhub-ext:release',
  requeue: 'qhub-ext:requeue',
  rerun: 'qhub-ext:rerun',
  rerunWith: 'qhub-ext:rerun-with',
  openTutorials: 'qhub-ext:open-tutorials',
  openFleet: 'qhub-ext:open-fleet',
  chooseTier: 'qhub-ext:choose-tier',
  runCellOn: 'qhub-ext:run-cell-on',
  submitNotebook: 'qhub-ext:submit-notebook'
} as const;

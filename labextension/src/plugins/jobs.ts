import {
  JupyterFrontEnd,
  JupyterFrontEndPlugin
} from '@jupyterlab/application';

import { JobsModel } from '../model/jobs';
import { IJobsModel } from '../tokens';

/** Provides the one model of this page's jobs. */
export const jobsPlugin: JupyterFrontEndPlugin<JobsModel> = {
  id: 'qhub-ext:jobs',
  description: 'Keeps the jobs of this user in step with the server.',
  autoStart: true,
  provides: IJobsModel,
  activate: (app: JupyterFrontEnd) => JobsModel.over(app.serviceManager)
};

import type { Explanation, JobDetail, JobScript, Trace } from '../api/types';
import { Facet } from './facet';
import type { JobModel } from './job';
import type { JobsModel } from './jobs';
import { LogModel } from './log';

/** All that can be asked about one job beside its record; each is asked for when somebody looks at it first. */
export class JobFacets {
  constructor(
    readonly model: JobModel,
    jobs: JobsModel
  ) {
    const { id } = model;
    const { client } = jobs;
    this.detail = new Facet(model, () => client.detail(id));
    this.trace = new Facet(model, () => client.trace(id));
    this.script = new Facet(model, () => client.script(id));
    this.explanation = new Facet(model, () => client.explain(id));
    this.log = new LogModel(model, jobs);
    this.archive = client.archiveUrl(id);
  }

  readonly detail: Facet<JobDetail>;
  readonly trace: Facet<Trace>;
  readonly script: Facet<JobScript>;
  readonly explanation: Facet<Explanation>;
  readonly log: LogModel;
  /** Where the folder can be downloaded. */
  readonly archive: string;
}

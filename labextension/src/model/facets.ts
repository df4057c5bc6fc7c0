import type { Client } from '../api/client';
import type {
  Comparison,
  Explanation,
  Figure,
  JobDetail,
  JobScript,
  Trace
} from '../api/types';
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
    this.figure = new Facet(model, () => client.traceFigure(id));
    this.script = new Facet(model, () => client.script(id));
    this.explanation = new Facet(model, () => client.explain(id, true));
    this.log = new LogModel(model, jobs);
    this.archive = client.archiveUrl(id);
    this._client = client;
  }

  /** Where the time of this job and of another one went. */
  beside(other: string): Promise<Comparison> {
    return this._client.tracesBeside(this.model.id, other);
  }

  readonly detail: Facet<JobDetail>;
  readonly trace: Facet<Trace>;
  readonly figure: Facet<Figure>;
  readonly script: Facet<JobScript>;
  readonly explanation: Facet<Explanation>;
  readonly log: LogModel;
  /** Where the folder can be downloaded. */
  readonly archive: string;
  private readonly _client: Client;
}

import { ServerConnection } from '@jupyterlab/services';

import type { Fleet, FleetKey } from './fleet';
import { endpointUrl, Query, request, requestJson } from './request';
import type {
  Another,
  Calibration,
  Changes,
  Checked,
  Comparison,
  Device,
  Estimate,
  Explanation,
  Figure,
  Job,
  JobDetail,
  JobOutputs,
  JobPage,
  JobScript,
  Queue,
  Refusal,
  State,
  Status,
  Submission,
  Tasks,
  Tier,
  Trace,
  Tutorials,
  Verb
} from './types';

export interface JobFilter {
  text?: string;
  tier?: Tier;
  states?: State[];
  offset?: number;
  limit?: number;
}

/** One typed method per endpoint of the server extension. Renders nothing, remembers nothing. */
export class Client {
  constructor(readonly settings: ServerConnection.ISettings) {}

  status(): Promise<Status> {
    return this.get('status');
  }

  async devices(): Promise<Device[]> {
    return (await this.get<{ devices: Device[] }>('devices')).devices;
  }

  calibration(device: string): Promise<Calibration> {
    return this.get(`devices/${encodeURIComponent(device)}/calibration`);
  }

  queue(): Promise<Queue> {
    return this.get('queue');
  }

  tasks(): Promise<Tasks> {
    return this.get('tasks');
  }

  jobs(filter: JobFilter = {}): Promise<JobPage> {
    const { states, ...rest } = filter;
    return this.get('jobs', { ...rest, state: states });
  }

  changes(epoch: string, after: number): Promise<Changes> {
    return this.get('changes', { epoch, after });
  }

  job(id: string): Promise<Job> {
    return this.get(jobPath(id));
  }

  outputs(id: string, after = 0, attempt?: number): Promise<JobOutputs> {
    return this.get(`${jobPath(id)}/outputs`, { after, attempt });
  }

  script(id: string): Promise<JobScript> {
    return this.get(`${jobPath(id)}/script`);
  }

  detail(id: string): Promise<JobDetail> {
    return this.get(`${jobPath(id)}/detail`);
  }

  trace(id: string): Promise<Trace> {
    return this.get(`${jobPath(id)}/trace`);
  }

  traceFigure(id: string): Promise<Figure> {
    return this.get(`${jobPath(id)}/trace/figure`);
  }

  tracesBeside(id: string, other: string): Promise<Comparison> {
    return this.get(`${jobPath(id)}/trace/beside/${encodeURIComponent(other)}`);
  }

  /** With `others`, also whether they meet the same, which asks the broker. */
  explain(id: string, others = false): Promise<Explanation> {
    return this.get(`${jobPath(id)}/explain`, others ? { others: 1 } : {});
  }

  estimate(id: string): Promise<Estimate> {
    return this.get(`${jobPath(id)}/estimate`);
  }

  fleet(by: FleetKey, days: number): Promise<Fleet> {
    return this.get('fleet', { by, days });
  }

  async doctor(): Promise<Checked[]> {
    return (await this.get<{ findings: Checked[] }>('doctor')).findings;
  }

  /** The log as it grows, piece by piece, until the job has ended or `signal` aborts; without `follow` only up to now. */
  async *log(
    id: string,
    signal: AbortSignal,
    follow = true
  ): AsyncGenerator<string> {
    const response = await request(
      this.settings,
      `${jobPath(id)}/logs`,
      { signal },
      { follow: follow ? 1 : 0 }
    );
    const reader = response.body!.getReader();
    const decoder = new TextDecoder();
    for (;;) {
      const { done, value } = await reader.read();
      if (done) {
        return;
      }
      yield decoder.decode(value, { stream: true });
    }
  }

  archiveUrl(id: string): string {
    return endpointUrl(this.settings, `${jobPath(id)}/archive`);
  }

  submit(body: Submission): Promise<{ id: string; short_id: string }> {
    return this.post('jobs', body);
  }

  act(verb: Verb, ids: readonly string[]): Promise<{ refusals: Refusal[] }> {
    return this.post('actions', { verb, ids });
  }

  rerun(
    id: string,
    another: Another = {}
  ): Promise<{ id: string; short_id: string }> {
    return this.post(`${jobPath(id)}/rerun`, another);
  }

  /** Copies the tutorials to where the user's files are, never over a changed one. */
  tutorials(): Promise<Tutorials> {
    return this.post('tutorials', {});
  }

  private get<T>(endpoint: string, query: Query = {}): Promise<T> {
    return requestJson<T>(this.settings, endpoint, {}, query);
  }

  private post<T>(endpoint: string, body: unknown): Promise<T> {
    return requestJson<T>(this.settings, endpoint, {
      method: 'POST',
      body: JSON.stringify(body)
    });
  }
}

function jobPath(id: string): string {
  return `jobs/${encodeURIComponent(id)}`;
}

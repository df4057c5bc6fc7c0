import type { Client } from '../api/client';
import type { Task } from '../api/types';
import { PolledModel } from './polled';

const EVERY_S = 5;
const AT_MOST_S = 60;

/** The quantum tasks at the site's broker, kept fresh while somebody watches; the server asks the broker once for all who do. */
export class TasksModel extends PolledModel {
  constructor(private readonly _client: Client) {
    super('tasks', EVERY_S, AT_MOST_S);
  }

  /** In the order in which they would run now. */
  get tasks(): readonly Task[] {
    return this._tasks;
  }

  /** How many there are; `tasks` has the first of them. */
  get total(): number {
    return this._total;
  }

  /** When the broker was asked, in seconds since 1970, UTC; null before that. */
  get asOf(): number | null {
    return this._asOf;
  }

  protected async load(): Promise<void> {
    const { tasks, total, as_of } = await this._client.tasks();
    this._tasks = tasks;
    this._total = total;
    this._asOf = as_of;
  }

  private _tasks: readonly Task[] = [];
  private _total = 0;
  private _asOf: number | null = null;
}

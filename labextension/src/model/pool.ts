import { JobModel } from './job';
import type { JobsModel } from './jobs';

/** Hands out one model per job, however many views show it; the model ends with its last view. */
export class JobPool {
  constructor(readonly jobs: JobsModel) {}

  /** The model of this job; whoever takes it gives it back by `release`. */
  take(id: string): JobModel {
    const place = this._places.get(id);
    if (place !== undefined) {
      place.views += 1;
      return place.model;
    }
    const model = new JobModel(id, this.jobs);
    this._places.set(id, { model, views: 1 });
    return model;
  }

  release(model: JobModel): void {
    const place = this._places.get(model.id);
    if (place?.model !== model) {
      return;
    }
    place.views -= 1;
    if (place.views === 0) {
      this._places.delete(model.id);
      model.dispose();
    }
  }

  private readonly _places = new Map<
    string,
    { model: JobModel; views: number }
  >();
}

import type { TranslationBundle } from '@jupyterlab/translation';

import type { Listing } from '../../model/listing';
import { isWaiting, plain } from '../../words';
import { useSignal } from '../signal';
import { Start } from '../start';

/** Of the one job that is selected, while it waits for the site, a device or the broker: the whole reason, and when it may start. */
export function Chosen(props: {
  listing: Listing;
  trans: TranslationBundle;
}): JSX.Element | null {
  const { listing, trans } = props;
  const { tasks, estimates } = listing.model;
  useSignal(tasks.changed);
  const [job, another] = listing.selection;
  const atDevice = job?.state === 'running' && job.phase === 'device';
  if (
    job === undefined ||
    another !== undefined ||
    !(isWaiting(job.state) || atDevice)
  ) {
    return null;
  }
  const task = tasks.tasks.find(({ job_id }) => job_id === job.id);
  const why = atDevice ? task?.why || job.phase_text : job.reason;
  return (
    <section
      className="qhub-Chosen"
      aria-label={trans.__('About %1', plain(job.name, 80))}
    >
      {why && <p>{plain(why, 600)}</p>}
      {!atDevice && (
        <Start id={job.id} estimates={estimates} said={why} trans={trans} />
      )}
    </section>
  );
}

import type { TranslationBundle } from '@jupyterlab/translation';
import { useEffect, useState } from 'react';

import type { Summary } from '../../api/types';
import { JobModel, needsExplaining, waitsForDevice } from '../../model/job';
import type { Listing } from '../../model/listing';
import type { JobPool } from '../../model/pool';
import { isWaiting, plain } from '../../words';
import { doubtOf } from '../doubt';
import { Move } from '../facts';
import { useSignal } from '../signal';
import { SETTLE_MS, Start } from '../start';

interface Props {
  listing: Listing;
  /** Null where the application has no models of single jobs: then only the line of the list is told. */
  pool: JobPool | null;
  trans: TranslationBundle;
}

/**
 * Of the one job that is selected: why it waits, ended as it did or has doubtful results, whose move it is, what to try, and
 * when it may start.
 */
export function Chosen(props: Props): JSX.Element | null {
  const { listing, pool, trans } = props;
  useSignal(listing.model.tasks.changed);
  const [job, another] = listing.selection;
  if (job === undefined || another !== undefined || !isTold(job)) {
    return null;
  }
  return (
    <section
      className="qhub-Chosen"
      aria-label={trans.__('About %1', plain(job.name, 80))}
    >
      <About key={job.id} {...{ job, listing, pool, trans }} />
    </section>
  );
}

/** Whether there is anything to say of it beyond its row. */
function isTold(job: Summary): boolean {
  return needsExplaining(job) || doubtOf(job) !== '';
}

function About(props: Props & { job: Summary }): JSX.Element {
  const { job, listing, pool, trans } = props;
  const { tasks, estimates } = listing.model;
  const model = useSettled(pool, job.id);
  const task = tasks.tasks.find(({ job_id }) => job_id === job.id);
  const known = waitsForDevice(job)
    ? task?.why || job.phase_text
    : isWaiting(job.state)
      ? job.reason
      : job.message;
  return (
    <>
      {model === null ? (
        known && <p>{plain(known, 600)}</p>
      ) : (
        <Explained {...{ model, known, trans }} />
      )}
      {isWaiting(job.state) && (
        <Start id={job.id} estimates={estimates} said={known} trans={trans} />
      )}
    </>
  );
}

/** The same words as the card's. */
function Explained(props: {
  model: JobModel;
  /** What the line of the list says, until the server has explained it. */
  known: string;
  trans: TranslationBundle;
}): JSX.Element {
  const { model, known, trans } = props;
  useSignal(model.changed);
  const why = model.explanation;
  const cause = why?.cause || model.job?.cause;
  const advice = why?.advice || model.job?.advice;
  const sentence = why?.sentence || known;
  return (
    <>
      {sentence && <p>{plain(sentence, 1000)}</p>}
      {(cause || why?.audience) && (
        <p className="qhub-Chosen-facts">
          {cause && (
            <span className="qhub-Pill">
              {trans.__('cause: %1', plain(cause, 40))}
            </span>
          )}
          {why !== null && <Move why={why} trans={trans} />}
        </p>
      )}
      {advice && (
        <p>
          {trans.__('Try:')} {plain(advice, 1000)}
        </p>
      )}
    </>
  );
}

/** The model of a job on which the keyboard has come to rest; null before. */
function useSettled(pool: JobPool | null, id: string): JobModel | null {
  const [model, setModel] = useState<JobModel | null>(null);
  useEffect(() => {
    if (pool === null) {
      return;
    }
    let taken: JobModel | null = null;
    const timer = setTimeout(() => {
      taken = pool.take(id);
      setModel(taken);
    }, SETTLE_MS);
    return () => {
      clearTimeout(timer);
      if (taken !== null) {
        pool.release(taken);
      }
    };
  }, [pool, id]);
  return model;
}

import type { Attempt, JobRecord } from '../../api/types';
import { duration, moment, plain, stateTone } from '../../words';
import { useSignal } from '../signal';
import { StateWord } from '../state';
import type { JobContext } from './context';

/** Until the first sign of the runner, or the end: as `waiting_s` of the whole job counts it. */
function waitedOf(
  attempt: Attempt,
  job: Pick<JobRecord, 'submitted_at'>
): number | null {
  const asked =
    attempt.number === 1
      ? (job.submitted_at ?? attempt.queued_at)
      : attempt.queued_at;
  const until = attempt.running_at ?? attempt.ended_at;
  return asked === null || until === null ? null : Math.max(0, until - asked);
}

/** Each try of the site, the latest first, with what ended it. */
export function Attempts(props: { context: JobContext }): JSX.Element {
  const { model, trans } = props.context;
  useSignal(model.changed);
  const attempts = [...(model.job?.attempts ?? [])].reverse();
  return (
    <ol className="qhub-Attempts" reversed>
      {attempts.map(attempt => {
        const waited = waitedOf(attempt, model.job!);
        const ran =
          attempt.running_at !== null && attempt.ended_at !== null
            ? attempt.ended_at - attempt.running_at
            : null;
        return (
          <li
            key={attempt.number}
            value={attempt.number}
            className={`qhub-tone-${stateTone(attempt.state)}`}
          >
            <StateWord state={attempt.state} trans={trans} />
            <ul className="qhub-Facts">
              {attempt.queued_at !== null && (
                <li>{trans.__('queued %1', moment(attempt.queued_at))}</li>
              )}
              {waited !== null && (
                <li>{trans.__('waited %1', duration(waited))}</li>
              )}
              {ran !== null && <li>{trans.__('ran %1', duration(ran))}</li>}
              {attempt.ended_at !== null && (
                <li>{trans.__('ended %1', moment(attempt.ended_at))}</li>
              )}
              {attempt.word && (
                <li>
                  {trans.__('the site says %1', plain(attempt.word, 100))}
                </li>
              )}
              {attempt.cause && (
                <li>{trans.__('cause: %1', plain(attempt.cause, 60))}</li>
              )}
            </ul>
            {attempt.message && <p>{plain(attempt.message, 1000)}</p>}
            {attempt.advice && (
              <p className="qhub-quiet">{plain(attempt.advice, 1000)}</p>
            )}
          </li>
        );
      })}
    </ol>
  );
}

import type { TranslationBundle } from '@jupyterlab/translation';

import type { Explanation, JobRecord } from '../api/types';
import { duration, isFinal, isWaiting, moment, plain, whole } from '../words';
import { Age } from './age';

/** For how long it has been so; it ticks only while the server stands behind it. */
export function When(props: {
  record: JobRecord;
  live: boolean;
}): JSX.Element | null {
  const { record, live } = props;
  if (isFinal(record.state)) {
    return record.running_s === null ? null : (
      <span className="qhub-When">{duration(record.running_s)}</span>
    );
  }
  const since = isWaiting(record.state)
    ? record.submitted_at
    : (record.running_at ?? record.started_at);
  return live && since !== null ? (
    <span className="qhub-When">
      <Age since={since} />
    </span>
  ) : null;
}

/** Where a running job is. */
export function Phase(props: {
  record: JobRecord;
  trans: TranslationBundle;
}): JSX.Element | null {
  const { record, trans } = props;
  if (record.state !== 'running') {
    return null;
  }
  const word = new Map([
    ['node', trans.__('on the node')],
    ['device', record.phase_text || trans.__('waiting for the device')]
  ]).get(record.phase);
  return word ? <span className="qhub-Phase">{plain(word, 120)}</span> : null;
}

/** Where it runs and what is known of its times, in one line. */
export function Facts(props: {
  record: JobRecord;
  trans: TranslationBundle;
}): JSX.Element {
  const { record, trans } = props;
  const facts = [record.tier, record.device, record.resource].map(fact =>
    plain(fact, 80)
  );
  if (record.shots !== null) {
    facts.push(trans.__('%1 shots', whole(record.shots)));
  }
  if (record.element !== null) {
    facts.push(trans.__('element %1', record.element));
  }
  if (record.attempts.length > 1) {
    facts.push(trans.__('attempt %1', record.attempts.length));
  }
  if (record.waiting_s !== null && record.waiting_s >= 1) {
    facts.push(trans.__('waited %1', duration(record.waiting_s)));
  }
  if (isWaiting(record.state) && record.starts_by !== null) {
    facts.push(trans.__('starts by %1', moment(record.starts_by)));
  }
  if (record.running_at !== null && record.ended_at === null) {
    if (record.time_s > 0) {
      facts.push(trans.__('%1 at most', limit(record.time_s)));
    }
  }
  if (record.ended_at !== null) {
    facts.push(trans.__('ended %1', moment(record.ended_at)));
  }
  return (
    <ul className="qhub-Facts">
      {facts
        .filter(fact => fact !== '')
        .map((fact, index) => (
          <li key={index}>{fact}</li>
        ))}
    </ul>
  );
}

/** Whose move it is. */
export function Move(props: {
  why: Explanation;
  trans: TranslationBundle;
}): JSX.Element | null {
  const word = moveWord(props.why, props.trans);
  return word ? <span className="qhub-Move">{word}</span> : null;
}

export function moveWord(
  why: Explanation,
  trans: TranslationBundle
): string | undefined {
  return new Map([
    ['you', trans.__('your move')],
    ['site', trans.__('the site’s move')],
    ['device', trans.__('the device’s move')],
    ['us', trans.__('a fault of qhub_ext')]
  ]).get(why.audience);
}

/** A limit is a round number: `10 min`, where an age says `10 min 00 s`. */
function limit(seconds: number): string {
  return duration(seconds).replace(/ 00 (s|min)$/, '');
}

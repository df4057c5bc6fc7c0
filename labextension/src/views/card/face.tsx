import type { TranslationBundle } from '@jupyterlab/translation';
import type { CommandRegistry } from '@lumino/commands';
import { useEffect } from 'react';

import type { Explanation, Job, JobRecord, Verb } from '../../api/types';
import type { JobModel, Standing } from '../../model/job';
import { CommandIDs } from '../../tokens';
import {
  duration,
  isFinal,
  isWaiting,
  moment,
  plain,
  shortId,
  stateTone,
  stateWord
} from '../../words';
import { Age } from '../age';
import { useSignal } from '../signal';
import { StateSign } from '../state';
import { savedAt } from './saved';
import { lastLines } from './tail';

const LOG_LINES = 6;

interface Props {
  saved: JobRecord;
  model: JobModel;
  commands: CommandRegistry;
  trans: TranslationBundle;
}

/** The card of a job under its cell: what the server says now, or else what the notebook saved. */
export function CardFace(props: Props): JSX.Element {
  const { saved, model, commands, trans } = props;
  useSignal(model.changed);
  const record: JobRecord = model.job ?? saved;
  const live = model.standing === 'live' && model.job !== null;
  const state = stateWord(record.state, trans);
  return (
    <article
      className={`qhub-Card qhub-tone-${stateTone(record.state)}`}
      data-state={record.state}
      data-standing={model.standing}
      aria-label={trans.__(
        'Quantum job %1, %2',
        plain(record.name, 80),
        shortId(record.id)
      )}
    >
      <header className="qhub-Card-head">
        <span className="qhub-Card-state" role="status">
          <StateSign state={record.state} />
          <span>{state}</span>
          {live && <Phase record={record} trans={trans} />}
        </span>
        <When record={record} live={live} />
        <span className="qhub-Card-name" title={plain(record.name, 500)}>
          {plain(record.name, 120)}
        </span>
        <code className="qhub-Card-id">{shortId(record.id)}</code>
      </header>
      <Facts record={record} trans={trans} />
      {record.size !== null && <Elements record={record} trans={trans} />}
      {!live && <Notice standing={model.standing} {...{ record, trans }} />}
      {live && <Why record={record} model={model} trans={trans} />}
      {record.notes.slice(0, 5).map((note, index) => (
        <p className="qhub-Card-note" key={index}>
          {plain(note, 500)}
        </p>
      ))}
      {live && record.state === 'running' && record.size === null && (
        <Log model={model} trans={trans} />
      )}
      {live && <Actions job={model.job!} commands={commands} trans={trans} />}
    </article>
  );
}

/** For how long it has been so; it ticks only while the server stands behind it. */
function When(props: { record: JobRecord; live: boolean }): JSX.Element | null {
  const { record, live } = props;
  if (isFinal(record.state)) {
    return record.running_s === null ? null : (
      <span className="qhub-Card-when">{duration(record.running_s)}</span>
    );
  }
  const since = isWaiting(record.state)
    ? record.submitted_at
    : (record.running_at ?? record.started_at);
  return live && since !== null ? (
    <span className="qhub-Card-when">
      <Age since={since} />
    </span>
  ) : null;
}

function Phase(props: {
  record: JobRecord;
  trans: TranslationBundle;
}): JSX.Element | null {
  const { record, trans } = props;
  if (record.state !== 'running') {
    return null;
  }
  const word = new Map([
    ['node', trans.__('on the node')],
    ['broker', trans.__('waiting at the broker')],
    ['device', trans.__('on the device')]
  ]).get(record.phase);
  return word ? <span className="qhub-Card-phase">{word}</span> : null;
}

/** Where it runs and what is known of its times, in one line. */
function Facts(props: {
  record: JobRecord;
  trans: TranslationBundle;
}): JSX.Element {
  const { record, trans } = props;
  const facts = [record.tier, record.device, record.resource].map(fact =>
    plain(fact, 80)
  );
  if (record.shots !== null) {
    facts.push(trans.__('%1 shots', record.shots));
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
  if (record.running_at !== null && record.ended_at === null) {
    if (record.time_s > 0) {
      facts.push(trans.__('%1 at most', duration(record.time_s)));
    }
  }
  if (record.ended_at !== null) {
    facts.push(trans.__('ended %1', moment(record.ended_at)));
  }
  return (
    <ul className="qhub-Card-facts">
      {facts
        .filter(fact => fact !== '')
        .map((fact, index) => (
          <li key={index}>{fact}</li>
        ))}
    </ul>
  );
}

function Elements(props: {
  record: JobRecord;
  trans: TranslationBundle;
}): JSX.Element {
  const { record, trans } = props;
  const done = Math.min(record.done ?? 0, record.size!);
  const told = trans.__('%1 of %2 elements have ended', done, record.size!);
  return (
    <div className="qhub-Card-elements">
      <progress max={record.size!} value={done} aria-label={told} />
      <span>
        {done}/{record.size}
        {record.message && ` · ${plain(record.message, 200)}`}
      </span>
    </div>
  );
}

/** Why these are not the facts of this moment. */
function Notice(props: {
  standing: Standing;
  record: JobRecord;
  trans: TranslationBundle;
}): JSX.Element | null {
  const { standing, record, trans } = props;
  const at = savedAt(record);
  const sentence = {
    live: '',
    loading: '',
    stranger: trans.__(
      'Not one of your jobs: these are the facts that the notebook has saved.'
    ),
    offline: trans.__('The Jupyter server cannot be reached.'),
    missing: trans.__(
      'The server extension of qhub_ext is not enabled here: these are the facts that the notebook has saved. Enable it with: jupyter server extension enable qhub_ext'
    )
  }[standing];
  return sentence === '' ? null : (
    <p className="qhub-Card-notice">
      {sentence}{' '}
      {at > 0 && (
        <>
          {trans.__('Last known %1,', moment(at))} <Age since={at} />{' '}
          {trans.__('ago.')}
        </>
      )}
    </p>
  );
}

/** Why it waits, or ended as it did; whose move it is; what to try. */
function Why(props: {
  record: JobRecord;
  model: JobModel;
  trans: TranslationBundle;
}): JSX.Element | null {
  const { record, model, trans } = props;
  const stale = record.stale_since;
  const why = model.explanation;
  return (
    <>
      {stale !== null && (
        <p className="qhub-Card-notice">
          {trans.__('The site cannot be reached: as of %1,', moment(stale))}{' '}
          <Age since={stale} /> {trans.__('ago.')}
        </p>
      )}
      {why !== null && why.sentence !== '' && (
        <div className="qhub-Card-why">
          <p>
            {plain(why.sentence, 1000)} <Move why={why} trans={trans} />
          </p>
          {why.advice && (
            <p className="qhub-Card-advice">{plain(why.advice, 1000)}</p>
          )}
        </div>
      )}
    </>
  );
}

function Move(props: {
  why: Explanation;
  trans: TranslationBundle;
}): JSX.Element | null {
  const { why, trans } = props;
  const word = new Map([
    ['you', trans.__('your move')],
    ['site', trans.__('the site’s move')],
    ['device', trans.__('the device’s move')],
    ['us', trans.__('a fault of qhub_ext')]
  ]).get(why.audience);
  return word ? <span className="qhub-Card-move">{word}</span> : null;
}

function Log(props: {
  model: JobModel;
  trans: TranslationBundle;
}): JSX.Element | null {
  const { model, trans } = props;
  useEffect(() => {
    const watch = model.watchOutputs();
    return () => watch.dispose();
  }, [model]);
  const lines = lastLines(model.outputs?.outputs ?? [], LOG_LINES);
  return lines === '' ? null : (
    <pre className="qhub-Card-log" aria-label={trans.__('Last lines')}>
      {lines}
    </pre>
  );
}

function Actions(props: {
  job: Job;
  commands: CommandRegistry;
  trans: TranslationBundle;
}): JSX.Element {
  const { job, commands, trans } = props;
  const words: Record<Verb, string> = {
    cancel: trans.__('Cancel'),
    hold: trans.__('Hold'),
    release: trans.__('Release'),
    requeue: trans.__('Requeue'),
    rerun: trans.__('Run again')
  };
  const open = commands.hasCommand(CommandIDs.openJob);
  const verbs = job.actions.filter(
    verb =>
      commands.hasCommand(CommandIDs[verb]) &&
      commands.isEnabled(CommandIDs[verb], { ids: [job.id] })
  );
  return (
    <footer className="qhub-Card-actions">
      {open && (
        <button
          type="button"
          onClick={() =>
            void commands.execute(CommandIDs.openJob, { id: job.id })
          }
        >
          {trans.__('Open')}
        </button>
      )}
      {verbs.map(verb => (
        <button
          key={verb}
          type="button"
          data-verb={verb}
          onClick={() =>
            void commands.execute(CommandIDs[verb], { ids: [job.id] })
          }
        >
          {words[verb]}
        </button>
      ))}
    </footer>
  );
}

import type { TranslationBundle } from '@jupyterlab/translation';
import type { CommandRegistry } from '@lumino/commands';
import { useEffect } from 'react';

import type { JobRecord } from '../../api/types';
import type { JobModel, Standing } from '../../model/job';
import { moment, plain, shortId, stateTone, stateWord } from '../../words';
import { Actions } from '../actions';
import { Age } from '../age';
import { Doubt, doubtOf } from '../doubt';
import { Facts, Move, Phase, When } from '../facts';
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
        <StateSign state={record.state} />
        <span
          className="qhub-Card-name"
          dir="auto"
          title={plain(record.name, 500)}
        >
          {plain(record.name, 120)}
        </span>
        <code className="qhub-Id">{shortId(record.id)}</code>
      </header>
      <div className="qhub-Card-line">
        <span className="qhub-Now" role="status">
          {stateWord(record.state, trans)}
          {live && <Phase record={record} trans={trans} />}
        </span>
        <When record={record} live={live} />
        <Facts record={record} trans={trans} />
      </div>
      {record.size !== null && <Elements record={record} trans={trans} />}
      {!live && <Notice standing={model.standing} {...{ record, trans }} />}
      {live && <Why record={record} model={model} trans={trans} />}
      <Doubt record={record} trans={trans} />
      {record.notes
        .filter(note => !doubtOf(record).includes(note))
        .slice(0, 5)
        .map((note, index) => (
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
      'Not one of your jobs, or its folder was removed: these are the facts that the notebook has saved.'
    ),
    gone: trans.__('Its folder was removed: these are the facts of before.'),
    offline: trans.__('The Jupyter server cannot be reached.'),
    refused: trans.__(
      'The Jupyter server does not know you, or not any more: sign in again.'
    ),
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

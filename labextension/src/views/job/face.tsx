import { KeyboardEvent, useId, useRef, useState } from 'react';

import { plain, shortId, stateTone, stateWord } from '../../words';
import { Actions } from '../actions';
import { Doubt } from '../doubt';
import { Facts, Phase, When } from '../facts';
import { useSignal } from '../signal';
import { StateSign } from '../state';
import { Attempts } from './attempts';
import { Calibration } from './calibration';
import { Captured } from './captured';
import { CodeAndScript } from './code';
import type { JobContext, Part } from './context';
import { ElementLinks } from './elements';
import { Explain } from './explain';
import { Log } from './log';
import { Outputs } from './outputs';
import { Runtime } from './runtime';
import { Timeline } from './timeline';

/** All about one job: its head, and what can be asked about it in tabs. */
export function JobFace(props: { context: JobContext }): JSX.Element {
  const { model, trans } = props.context;
  useSignal(model.changed);
  const { standing } = model;
  if (model.job === null) {
    const sentence = {
      loading: trans.__('Loading…'),
      live: '',
      stranger: trans.__(
        'There is no such job among yours: its folder may be gone, or it belongs to somebody else.'
      ),
      gone: trans.__('The folder of this job was removed.'),
      offline: trans.__('The Jupyter server cannot be reached.'),
      refused: trans.__(
        'The Jupyter server does not know you, or not any more: sign in again.'
      ),
      missing: trans.__(
        'The server extension of qhub_ext is not enabled here. Enable it with: jupyter server extension enable qhub_ext'
      )
    }[standing];
    return (
      <p className="qhub-Job-empty" role="status">
        {sentence}
      </p>
    );
  }
  return (
    <>
      <Head context={props.context} />
      {standing !== 'live' && standing !== 'loading' && (
        <p className="qhub-Job-trouble" role="alert">
          {standing === 'stranger' || standing === 'gone'
            ? trans.__(
                'The folder of this job was removed: these are the facts of before.'
              )
            : standing === 'refused'
              ? trans.__(
                  'The Jupyter server does not know you any more: these are the facts of before. Sign in again.'
                )
              : trans.__(
                  'The Jupyter server cannot be reached: these are the facts of before.'
                )}
        </p>
      )}
      <Tabs context={props.context} />
    </>
  );
}

function Head(props: { context: JobContext }): JSX.Element {
  const { model, commands, facets, trans } = props.context;
  const job = model.job!;
  const live = model.standing === 'live';
  return (
    <div className={`qhub-Job-head qhub-tone-${stateTone(job.state)}`}>
      <div className="qhub-Job-title">
        <h2 dir="auto" title={plain(job.name, 500)}>
          {plain(job.name, 200)}
        </h2>
        <code className="qhub-Id" title={job.id}>
          {shortId(job.id)}
        </code>
      </div>
      <div className="qhub-Job-line">
        <span className="qhub-Now" role="status">
          <StateSign state={job.state} />
          {stateWord(job.state, trans)}
          <Phase record={job} trans={trans} />
        </span>
        <When record={job} live={live} />
        <Facts record={job} trans={trans} />
      </div>
      <Doubt record={job} trans={trans} />
      <div className="qhub-Job-line">
        <Actions
          job={job}
          commands={commands}
          trans={trans}
          open={false}
          changes
        />
        <a className="qhub-Job-download" href={facets.archive} download="">
          {trans.__('Download the folder')}
        </a>
      </div>
    </div>
  );
}

function Tabs(props: { context: JobContext }): JSX.Element {
  const { model, trans } = props.context;
  const prefix = useId();
  const buttons = useRef<(HTMLButtonElement | null)[]>([]);
  const [chosen, setChosen] = useState('outputs');
  const parts: [string, string, Part][] = [
    ['outputs', trans.__('Outputs'), Outputs],
    ['log', trans.__('Log'), Log],
    ['timeline', trans.__('Timeline'), Timeline],
    ['explain', trans.__('Why'), Explain],
    ['code', trans.__('Code'), CodeAndScript],
    ['captured', trans.__('Names'), Captured],
    ['calibration', trans.__('Calibration'), Calibration],
    ['runtime', trans.__('Runtime'), Runtime],
    ['attempts', trans.__('Attempts'), Attempts]
  ];
  if (model.job!.size !== null) {
    parts.unshift(['elements', trans.__('Elements'), ElementLinks]);
  }
  const index = Math.max(
    0,
    parts.findIndex(([name]) => name === chosen)
  );
  const [name, , Body] = parts[index];

  const move = (event: KeyboardEvent): void => {
    const last = parts.length - 1;
    const next = {
      ArrowRight: index === last ? 0 : index + 1,
      ArrowLeft: index === 0 ? last : index - 1,
      Home: 0,
      End: last
    }[event.key];
    if (next !== undefined) {
      event.preventDefault();
      setChosen(parts[next][0]);
      buttons.current[next]?.focus();
    }
  };

  return (
    <>
      <div
        className="qhub-Tabs"
        role="tablist"
        aria-label={trans.__('About this job')}
        onKeyDown={move}
      >
        {parts.map(([part, title], place) => (
          <button
            key={part}
            ref={button => {
              buttons.current[place] = button;
            }}
            type="button"
            role="tab"
            id={`${prefix}-${part}`}
            aria-selected={place === index}
            aria-controls={`${prefix}-panel`}
            tabIndex={place === index ? 0 : -1}
            onClick={() => setChosen(part)}
          >
            {title}
          </button>
        ))}
      </div>
      <section
        className={`qhub-Job-part qhub-Job-${name}`}
        role="tabpanel"
        id={`${prefix}-panel`}
        aria-labelledby={`${prefix}-${name}`}
        tabIndex={name === 'log' ? -1 : 0}
      >
        <Body context={{ ...props.context, show: setChosen }} />
      </section>
    </>
  );
}

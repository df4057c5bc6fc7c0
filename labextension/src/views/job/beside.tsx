import type { TranslationBundle } from '@jupyterlab/translation';
import { useEffect, useId, useState } from 'react';

import type { Comparison } from '../../api/types';
import { duration, plain, shortId, stateWord } from '../../words';
import { NumberHead } from '../numberhead';
import { useSignal } from '../signal';
import type { JobContext } from './context';
import { kindWord } from './kinds';
import { Strip } from './parts';

const OFFERED = 30;
/** Less is not worth a word. */
const LEAST_S = 0.0005;

/** Where the time of this job went beside that of another one. */
export function Beside(props: { context: JobContext }): JSX.Element | null {
  const { model, facets, jobs, trans } = props.context;
  useSignal(jobs.changed);
  const label = useId();
  const [other, setOther] = useState('');
  const [found, setFound] = useState<Comparison | null>(null);
  const [trouble, setTrouble] = useState('');

  useEffect(() => {
    let wanted = other !== '';
    setFound(null);
    setTrouble('');
    if (wanted) {
      facets
        .beside(other)
        .then(answer => wanted && setFound(answer))
        .catch((error: Error) => wanted && setTrouble(error.message));
    }
    return () => {
      wanted = false;
    };
  }, [facets, other]);

  const offered = jobs.jobs
    .filter(({ id }) => id !== model.id)
    .slice(0, OFFERED);
  const chosen = jobs.find(other);
  if (chosen !== undefined && !offered.includes(chosen)) {
    offered.push(chosen); // newer ones have come since it was chosen
  }
  return offered.length === 0 ? null : (
    <section aria-labelledby={label}>
      <h3 id={label}>{trans.__('Beside another job')}</h3>
      <select
        aria-labelledby={label}
        value={other}
        onChange={event => setOther(event.target.value)}
      >
        <option value="">{trans.__('Choose a job…')}</option>
        {offered.map(job => (
          <option key={job.id} value={job.id}>
            {`${plain(job.name, 60)} (${shortId(job.id)}, ${stateWord(job.state, trans)})`}
          </option>
        ))}
      </select>
      {trouble !== '' && (
        <p className="qhub-Job-trouble" role="alert">
          {plain(trouble, 500)}
        </p>
      )}
      {found !== null && <Compared found={found} trans={trans} />}
    </section>
  );
}

function Compared(props: {
  found: Comparison;
  trans: TranslationBundle;
}): JSX.Element {
  const { found, trans } = props;
  const longest = Math.max(...found.jobs.map(job => job.wall_s), 1e-9);
  return (
    <>
      {found.jobs.map((job, place) => (
        <div key={job.id} className="qhub-Beside-job">
          <span>{plain(job.name, 60)}</span>{' '}
          <code className="qhub-Id">{plain(job.short_id, 20)}</code>{' '}
          <span className="qhub-quiet">
            {job.ended
              ? duration(job.wall_s)
              : trans.__('%1 so far', duration(job.wall_s))}
          </span>
          <Strip
            parts={found.parts.map(({ part, seconds }) => ({
              part,
              seconds: seconds[place]
            }))}
            whole={Math.max(job.wall_s, 1e-9)}
            share={job.wall_s / longest}
          />
        </div>
      ))}
      <Rows
        first={trans.__('Part')}
        rows={found.parts.map(({ part, seconds }) => [part, '', seconds])}
        found={found}
        trans={trans}
      />
      <Rows
        first={trans.__('Spans whose time differs most')}
        rows={found.spans.map(({ name, kind, counts, seconds }) => [
          counts.some(count => count > 1)
            ? `${name} (${counts.map(count => `× ${count}`).join(', ')})`
            : name,
          kind,
          seconds
        ])}
        found={found}
        trans={trans}
      />
    </>
  );
}

function Rows(props: {
  first: string;
  rows: [string, string, number[]][];
  found: Comparison;
  trans: TranslationBundle;
}): JSX.Element {
  const { first, rows, found, trans } = props;
  return (
    <table className="qhub-Timeline qhub-Beside-table">
      <thead>
        <tr>
          <th scope="col">{first}</th>
          {found.jobs.map(job => (
            <NumberHead key={job.id}>{plain(job.short_id, 20)}</NumberHead>
          ))}
          <NumberHead>{trans.__('Change')}</NumberHead>
        </tr>
      </thead>
      <tbody>
        {rows.map(([name, kind, seconds], index) => (
          <tr key={index}>
            <th scope="row">
              {plain(name, 100)}
              {kind !== '' && (
                <span className="qhub-Timeline-attempt">{kindWord(kind)}</span>
              )}
            </th>
            {seconds.map((value, place) => (
              <td key={place} className="qhub-number">
                {value > 0 ? duration(value) : '–'}
              </td>
            ))}
            <td className="qhub-number">
              {changeWords(seconds[seconds.length - 1] - seconds[0])}
            </td>
          </tr>
        ))}
      </tbody>
    </table>
  );
}

function changeWords(seconds: number): string {
  return Math.abs(seconds) < LEAST_S
    ? '–'
    : `${seconds > 0 ? '+' : '−'}${duration(Math.abs(seconds))}`;
}

import type { TranslationBundle } from '@jupyterlab/translation';

import type { Clue, Explanation, Finding } from '../../api/types';
import { isWaiting, plain } from '../../words';
import { Move, moveWord } from '../facts';
import { useSignal } from '../signal';
import { Start } from '../start';
import { Answer } from './answer';
import type { JobContext } from './context';

/** Why it waits, ended as it did, or has doubtful results; with evidence; whose move it is; what to try. */
export function Explain(props: { context: JobContext }): JSX.Element {
  const { model, facets, jobs, trans } = props.context;
  useSignal(model.changed);
  return (
    <Answer facet={facets.explanation} trans={trans}>
      {why => (
        <div className="qhub-Explain">
          <p className="qhub-Explain-sentence">
            {plain(why.sentence, 2000) ||
              trans.__('There is nothing to explain.')}
          </p>
          {model.job !== null && isWaiting(model.job.state) && (
            <Start
              id={model.id}
              estimates={jobs.estimates}
              said={why.sentence}
              trans={trans}
            />
          )}
          <dl className="qhub-Pairs">
            {why.cause && (
              <>
                <dt>{trans.__('Cause')}</dt>
                <dd>
                  {plain(why.cause, 100)}
                  {why.word ? ` (${plain(why.word, 100)})` : ''}
                </dd>
              </>
            )}
            {moveWord(why, trans) && (
              <>
                <dt>{trans.__('Whose move')}</dt>
                <dd>
                  <Move why={why} trans={trans} />
                </dd>
              </>
            )}
            {why.advice && (
              <>
                <dt>{trans.__('What to try')}</dt>
                <dd>{plain(why.advice, 2000)}</dd>
              </>
            )}
            {why.again && (
              <>
                <dt>{trans.__('Again')}</dt>
                <dd>{trans.__('Trying again can help.')}</dd>
              </>
            )}
          </dl>
          {why.others && (
            <p className="qhub-quiet">{plain(why.others, 1000)}</p>
          )}
          <Evidence
            clues={why.findings?.[0]?.clues ?? []}
            show={props.context.show}
            trans={trans}
          />
          <AlsoFound why={why} trans={trans} />
        </div>
      )}
    </Answer>
  );
}

/** Each piece as it stands where it was found, with a way there. */
function Evidence(props: {
  clues: Clue[];
  show?: (tab: string) => void;
  trans: TranslationBundle;
}): JSX.Element | null {
  const { clues, show, trans } = props;
  return clues.length === 0 ? null : (
    <>
      <h3>{trans.__('Seen')}</h3>
      <ul className="qhub-Explain-clues">
        {clues.map((clue, index) => (
          <li key={index}>
            <code>{plain(clue.text, 500)}</code>{' '}
            {clue.tab && show ? (
              <button
                type="button"
                className="qhub-Explain-where"
                onClick={() => show(clue.tab)}
              >
                {plain(clue.where, 200)}
              </button>
            ) : (
              <span className="qhub-quiet">{plain(clue.where, 200)}</span>
            )}
          </li>
        ))}
      </ul>
    </>
  );
}

/** What else was found, in its order. */
function AlsoFound(props: {
  why: Explanation;
  trans: TranslationBundle;
}): JSX.Element | null {
  const others: Finding[] = props.why.findings?.slice(1) ?? [];
  return others.length === 0 ? null : (
    <>
      <h3>{props.trans.__('Also found')}</h3>
      <ul className="qhub-Explain-clues">
        {others.map((finding, index) => (
          <li key={index}>
            {plain(finding.sentence, 1000)}{' '}
            <span className="qhub-quiet">
              {plain(`${finding.cause}, ${finding.confidence}`, 100)}
            </span>
          </li>
        ))}
      </ul>
    </>
  );
}

import { plain } from '../../words';
import { Move, moveWord } from '../facts';
import { Answer } from './answer';
import type { JobContext } from './context';

/** Why it waits, or ended as it did; whose move it is; what to try. */
export function Explain(props: { context: JobContext }): JSX.Element {
  const { facets, trans } = props.context;
  return (
    <Answer facet={facets.explanation} trans={trans}>
      {why => (
        <div className="qhub-Explain">
          <p className="qhub-Explain-sentence">
            {plain(why.sentence, 2000) ||
              trans.__('There is nothing to explain.')}
          </p>
          <dl className="qhub-Pairs">
            {why.cause && (
              <>
                <dt>{trans.__('Cause')}</dt>
                <dd>{plain(why.cause, 100)}</dd>
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
          </dl>
        </div>
      )}
    </Answer>
  );
}

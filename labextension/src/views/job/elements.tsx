import { CommandIDs } from '../../tokens';
import { useSignal } from '../signal';
import type { JobContext } from './context';

/** The elements of an array, each a way to its own view. */
export function ElementLinks(props: { context: JobContext }): JSX.Element {
  const { model, commands, trans } = props.context;
  useSignal(model.changed);
  const size = model.job?.size ?? 0;
  return (
    <>
      <p className="qhub-Job-hint">
        {trans.__(
          'Each element is a job with outputs of its own. Open one by its number.'
        )}
      </p>
      <ol className="qhub-Elements">
        {Array.from({ length: size }, (_, index) => (
          <li key={index}>
            <button
              type="button"
              aria-label={trans.__('Open element %1', index)}
              onClick={() =>
                void commands.execute(CommandIDs.openJob, {
                  id: `${model.id}.${index}`
                })
              }
            >
              {index}
            </button>
          </li>
        ))}
      </ol>
    </>
  );
}

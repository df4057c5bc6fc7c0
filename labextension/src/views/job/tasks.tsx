import { duration, plain, whole } from '../../words';
import { NumberHead } from '../numberhead';
import { Answer } from './answer';
import type { JobContext } from './context';

type Fields = Record<string, unknown>;

/** The quantum calls of the job: what ran where, how long, and what the checks before had to say. */
export function Tasks(props: { context: JobContext }): JSX.Element {
  const { facets, trans } = props.context;
  return (
    <Answer facet={facets.detail} trans={trans}>
      {({ tasks }) =>
        tasks.length === 0 ? (
          <></>
        ) : (
          <>
            <h3>
              {trans._n('%1 quantum task', '%1 quantum tasks', tasks.length)}
            </h3>
            <table className="qhub-Table">
              <thead>
                <tr>
                  <th scope="col">{trans.__('Task')}</th>
                  <th scope="col">{trans.__('Method')}</th>
                  <NumberHead>{trans.__('Qubits')}</NumberHead>
                  <NumberHead>{trans.__('Circuits')}</NumberHead>
                  <NumberHead>{trans.__('Shots')}</NumberHead>
                  <NumberHead>{trans.__('Took')}</NumberHead>
                </tr>
              </thead>
              <tbody>
                {tasks.map((task, index) => (
                  <tr key={index}>
                    <th scope="row">
                      {index + 1} {word(task.primitive)}
                    </th>
                    <td>
                      {unique(list(task.methods).map(m => word(m.method)))}
                    </td>
                    <td className="qhub-number">
                      {list(task.active_qubits).length || '–'}
                    </td>
                    <td className="qhub-number">{list(task.pubs).length}</td>
                    <td className="qhub-number">{count(task.shots)}</td>
                    <td className="qhub-number">
                      {typeof task.wall_s === 'number'
                        ? duration(task.wall_s)
                        : '–'}
                    </td>
                  </tr>
                ))}
              </tbody>
            </table>
            {tasks.flatMap((task, index) =>
              list(task.findings).map((finding, place) => (
                <p className="qhub-Job-finding" key={`${index} ${place}`}>
                  {word(finding.sentence, 1000)}{' '}
                  <span className="qhub-quiet">
                    {word(finding.advice, 1000)}
                  </span>
                </p>
              ))
            )}
          </>
        )
      }
    </Answer>
  );
}

function list(value: unknown): Fields[] {
  return Array.isArray(value) ? (value as Fields[]) : [];
}

function word(value: unknown, width = 60): string {
  return typeof value === 'string' ? plain(value, width) : '';
}

function count(value: unknown): string {
  return typeof value === 'number' ? whole(value) : '–';
}

function unique(words: string[]): string {
  return [...new Set(words)].filter(Boolean).join(', ') || '–';
}

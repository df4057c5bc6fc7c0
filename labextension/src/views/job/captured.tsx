import type { TranslationBundle } from '@jupyterlab/translation';

import type { CapturedName } from '../../api/types';
import { plain, size } from '../../words';
import { NumberHead } from '../numberhead';
import { Answer } from './answer';
import type { JobContext } from './context';

/** The names that went along with the cell, and those that came back. */
export function Captured(props: { context: JobContext }): JSX.Element {
  const { facets, trans } = props.context;
  return (
    <Answer facet={facets.detail} trans={trans}>
      {({ captured, returned, absent }) => (
        <>
          <h3>{trans.__('Went along')}</h3>
          <Names
            names={captured}
            none={trans.__('The cell used no name of the notebook.')}
            trans={trans}
          />
          <h3>{trans.__('Came back')}</h3>
          <Names
            names={returned}
            none={trans.__('Nothing has come back.')}
            trans={trans}
          />
          {Object.keys(absent).length > 0 && (
            <>
              <h3>{trans.__('Did not come back')}</h3>
              <dl className="qhub-Pairs">
                {Object.entries(absent).map(([name, why]) => [
                  <dt key={name}>
                    <code>{plain(name, 200)}</code>
                  </dt>,
                  <dd key={`${name} why`}>{plain(why, 500)}</dd>
                ])}
              </dl>
            </>
          )}
        </>
      )}
    </Answer>
  );
}

function Names(props: {
  names: readonly CapturedName[];
  none: string;
  trans: TranslationBundle;
}): JSX.Element {
  const { names, none, trans } = props;
  if (names.length === 0) {
    return <p className="qhub-Job-empty">{none}</p>;
  }
  return (
    <table className="qhub-Table">
      <thead>
        <tr>
          <th scope="col">{trans.__('Name')}</th>
          <th scope="col">{trans.__('Type')}</th>
          <th scope="col">{trans.__('Value')}</th>
          <NumberHead>{trans.__('Size')}</NumberHead>
        </tr>
      </thead>
      <tbody>
        {names.map(({ name, type, summary, bytes }) => (
          <tr key={name}>
            <th scope="row">
              <code>{plain(name, 200)}</code>
            </th>
            <td title={plain(type, 200)}>{plain(lastPart(type), 60)}</td>
            <td className="qhub-wide">{plain(summary, 300)}</td>
            <td className="qhub-number">{size(bytes)}</td>
          </tr>
        ))}
      </tbody>
    </table>
  );
}

/** `qiskit.circuit.quantumcircuit.QuantumCircuit` -> `QuantumCircuit` */
function lastPart(type: string): string {
  return type.slice(type.lastIndexOf('.') + 1);
}

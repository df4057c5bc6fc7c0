import type { TranslationBundle } from '@jupyterlab/translation';

import type { Trace } from '../../api/types';
import { duration, plain } from '../../words';
import { NumberHead } from '../numberhead';

/** The functions of the cell that took most, where a profile was asked for. */
export function Profile(props: {
  trace: Trace;
  trans: TranslationBundle;
}): JSX.Element | null {
  const { trace, trans } = props;
  const rows = trace.profile ?? [];
  return rows.length === 0 ? null : (
    <section aria-label={trans.__('Functions that took most')}>
      <h3>{trans.__('Functions that took most')}</h3>
      <table className="qhub-Timeline">
        <thead>
          <tr>
            <th scope="col">{trans.__('Function')}</th>
            <th scope="col">{trans.__('Where')}</th>
            <NumberHead>{trans.__('Itself')}</NumberHead>
            <NumberHead>{trans.__('With what it calls')}</NumberHead>
          </tr>
        </thead>
        <tbody>
          {rows.map((row, index) => (
            <tr key={index}>
              <th scope="row">
                <code>{plain(row.function, 80)}</code>
                {row.calls !== null && (
                  <span className="qhub-Timeline-attempt">× {row.calls}</span>
                )}
              </th>
              <td>
                {row.file
                  ? `${plain(row.file, 120)}:${row.line}`
                  : trans.__('built in')}
              </td>
              <td className="qhub-number">{duration(row.own_s)}</td>
              <td className="qhub-number">{duration(row.all_s)}</td>
            </tr>
          ))}
        </tbody>
      </table>
      <p className="qhub-Job-hint">{plain(trace.profile_note ?? '', 300)}</p>
    </section>
  );
}

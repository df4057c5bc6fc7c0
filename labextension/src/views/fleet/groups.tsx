import type { TranslationBundle } from '@jupyterlab/translation';

import type { FleetOverview } from '../../api/fleet';
import { duration, plain } from '../../words';
import { NumberHead } from '../numberhead';
import { keyWord, percent } from './words';

/** How many ended and failed by device, node or whatever was chosen. */
export function Groups(props: {
  overview: FleetOverview;
  trans: TranslationBundle;
}): JSX.Element {
  const { overview, trans } = props;
  const { groups, by } = overview;
  if (groups.length === 0) {
    return (
      <p className="qhub-Fleet-words">
        {trans.__('Nothing ended in this time.')}
      </p>
    );
  }
  return (
    <table className="qhub-Table">
      <thead>
        <tr>
          <th scope="col">{keyWord(by, trans)}</th>
          <NumberHead>{trans.__('Attempts')}</NumberHead>
          <NumberHead>{trans.__('Failed')}</NumberHead>
          <NumberHead>{trans.__('Share')}</NumberHead>
          <NumberHead>{trans.__('Users')}</NumberHead>
          <NumberHead>{trans.__('Lost')}</NumberHead>
          <NumberHead>{trans.__('Median wait')}</NumberHead>
        </tr>
      </thead>
      <tbody>
        {groups.map((one, index) => (
          <tr key={`${one.id} ${index}`}>
            <th scope="row">{plain(one.key, 120)}</th>
            <td className="qhub-number">{one.jobs}</td>
            <td className="qhub-number">{one.failed}</td>
            <td className="qhub-number">
              {percent(one.jobs > 0 ? one.failed / one.jobs : null)}
            </td>
            <td className="qhub-number">{one.users}</td>
            <td className="qhub-number">{duration(one.lost_s)}</td>
            <td className="qhub-number">{duration(one.wait_p50_s)}</td>
          </tr>
        ))}
      </tbody>
    </table>
  );
}

import type { TranslationBundle } from '@jupyterlab/translation';

import type { FleetLevels, FleetProfile } from '../../api/fleet';
import { duration, plain } from '../../words';
import { NumberHead } from '../numberhead';
import { percent } from './words';

/** Waits by profile against their targets, use of devices, time lost by cause. */
export function Levels(props: {
  levels: FleetLevels;
  trans: TranslationBundle;
}): JSX.Element {
  const { levels, trans } = props;
  const longest = Math.max(1e-9, ...levels.lost.map(one => one.seconds));
  return (
    <>
      <h3>{trans.__('Waits against their targets')}</h3>
      <p className="qhub-Fleet-words">
        {trans.__(
          'Promised: %1 of the jobs begin within the target of their profile, all queues together.',
          percent(levels.share)
        )}
      </p>
      <table className="qhub-Table">
        <thead>
          <tr>
            <th scope="col">{trans.__('Profile')}</th>
            <NumberHead>{trans.__('Attempts')}</NumberHead>
            <NumberHead>{trans.__('Target')}</NumberHead>
            <NumberHead>{trans.__('Median wait')}</NumberHead>
            <NumberHead>{trans.__('95 % within')}</NumberHead>
            <NumberHead>{trans.__('In time')}</NumberHead>
            <NumberHead>{trans.__('Met')}</NumberHead>
          </tr>
        </thead>
        <tbody>
          {levels.profiles.map(one => (
            <tr key={one.profile}>
              <th scope="row">{plain(one.profile, 60)}</th>
              <td className="qhub-number">{one.jobs}</td>
              <td className="qhub-number">{duration(one.target_s)}</td>
              <td className="qhub-number">{duration(one.median_s)}</td>
              <td className="qhub-number">{duration(one.p95_s)}</td>
              <td className="qhub-number">{percent(one.within)}</td>
              <td className="qhub-number">{met(one, trans)}</td>
            </tr>
          ))}
        </tbody>
      </table>
      <h3>{trans.__('Use of devices')}</h3>
      <Bars
        rows={levels.devices.map(one => ({
          name: one.device,
          share: one.share,
          words: `${percent(one.share)} · ${duration(one.used_s)}`
        }))}
        empty={trans.__('No device was used.')}
      />
      <h3>{trans.__('Time lost by cause')}</h3>
      <Bars
        rows={levels.lost.map(one => ({
          name: one.cause,
          share: one.seconds / longest,
          words: `${duration(one.seconds)} · ${trans._n('%1 attempt', '%1 attempts', one.jobs)}`
        }))}
        empty={trans.__('Nothing was lost.')}
      />
    </>
  );
}

function Bars(props: {
  rows: readonly { name: string; share: number; words: string }[];
  empty: string;
}): JSX.Element {
  if (props.rows.length === 0) {
    return <p className="qhub-Fleet-words">{props.empty}</p>;
  }
  return (
    <dl className="qhub-Fleet-bars">
      {props.rows.map(({ name, share, words }) => (
        <div key={name}>
          <dt>{plain(name, 60)}</dt>
          <dd>
            <span
              className="qhub-Fleet-bar"
              style={{ width: `${100 * Math.min(1, Math.max(0, share))}%` }}
            />
            <span>{words}</span>
          </dd>
        </div>
      ))}
    </dl>
  );
}

function met({ met }: FleetProfile, trans: TranslationBundle): string {
  return met === null
    ? '–'
    : met
      ? `✓ ${trans.__('yes')}`
      : `✗ ${trans.__('no')}`;
}

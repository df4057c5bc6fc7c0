import type { TranslationBundle } from '@jupyterlab/translation';
import { useEffect } from 'react';

import type { UsedCalibration } from '../../api/types';
import { moment, plain } from '../../words';
import { Age } from '../age';
import { useSignal } from '../signal';
import { Answer } from './answer';
import { CalibrationMap, lifetime, percent } from './calibrationmap';
import type { JobContext } from './context';

/** The calibration snapshot that the job used, as it was then, and where on it the tasks ran. */
export function Calibration(props: { context: JobContext }): JSX.Element {
  const { facets, jobs, trans } = props.context;
  const { devices } = jobs;
  useSignal(devices.changed);
  useEffect(() => devices.start(), [devices]);
  return (
    <Answer facet={facets.detail} trans={trans}>
      {({ calibration }) =>
        calibration === null ? (
          <p className="qhub-Job-empty">
            {trans.__('It has used no calibration snapshot.')}
          </p>
        ) : (
          <Used
            used={calibration}
            latest={devices.find(calibration.device)?.snapshot_id}
            trans={trans}
          />
        )
      }
    </Answer>
  );
}

function Used(props: {
  used: UsedCalibration;
  latest: string | undefined;
  trans: TranslationBundle;
}): JSX.Element {
  const { used, latest, trans } = props;
  const at = Date.parse(used.snapshot_at) / 1000;
  return (
    <>
      <dl className="qhub-Pairs">
        <dt>{trans.__('Device')}</dt>
        <dd>{plain(used.device, 100)}</dd>
        <dt>{trans.__('Calibrated')}</dt>
        <dd>
          {isFinite(at) ? (
            <>
              {moment(at)} <span className="qhub-quiet">·</span>{' '}
              <Age since={at} /> {trans.__('ago')}
            </>
          ) : (
            plain(used.snapshot_at, 100)
          )}
        </dd>
        <dt>{trans.__('Snapshot')}</dt>
        <dd>
          <code>{plain(used.snapshot_id, 100)}</code>
        </dd>
        {used.synthetic && (
          <>
            <dt>{trans.__('Origin')}</dt>
            <dd>{trans.__('synthetic: not measured on a device')}</dd>
          </>
        )}
        {used.changed && (
          <>
            <dt>{trans.__('Meanwhile')}</dt>
            <dd>
              {trans.__(
                'The device was calibrated between submission and the last task: this is the snapshot of the last task.'
              )}
            </dd>
          </>
        )}
        <Medians used={used} trans={trans} />
        {latest !== undefined && latest !== used.snapshot_id && (
          <>
            <dt>{trans.__('Since then')}</dt>
            <dd>{trans.__('The device has a newer snapshot.')}</dd>
          </>
        )}
      </dl>
      <CalibrationMap used={used} trans={trans} />
    </>
  );
}

function Medians(props: {
  used: UsedCalibration;
  trans: TranslationBundle;
}): JSX.Element {
  const { used, trans } = props;
  const { medians } = used;
  const rows: [string, string][] = [
    [trans.__('T1'), lifetime(medians.t1_s)],
    [trans.__('T2'), lifetime(medians.t2_s)],
    [trans.__('Readout error'), percent(medians.readout_error)],
    [trans.__('One-qubit error'), percent(medians.one_qubit_error)],
    [trans.__('Two-qubit error'), percent(medians.two_qubit_error)]
  ];
  return (
    <>
      {rows.map(([name, value]) => [
        <dt key={name}>{name}</dt>,
        <dd key={`${name} value`}>{trans.__('%1 (median)', value)}</dd>
      ])}
      <dt>{trans.__('Dead edges')}</dt>
      <dd>
        {used.dead_edges === 0
          ? trans.__('none')
          : trans.__('%1 of %2', used.dead_edges, used.edges)}
      </dd>
    </>
  );
}

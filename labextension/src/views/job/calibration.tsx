import type { TranslationBundle } from '@jupyterlab/translation';
import { useEffect } from 'react';

import type { Device } from '../../api/types';
import { moment, plain } from '../../words';
import { Age } from '../age';
import { useSignal } from '../signal';
import { Answer } from './answer';
import type { JobContext } from './context';

/** The calibration snapshot that the job used, with its medians where it is still the latest one. */
export function Calibration(props: { context: JobContext }): JSX.Element {
  const { facets, devices, trans } = props.context;
  useSignal(devices.changed);
  useEffect(() => devices.start(), [devices]);
  return (
    <Answer facet={facets.detail} trans={trans}>
      {({ calibration }) => {
        if (calibration === null) {
          return (
            <p className="qhub-Job-empty">
              {trans.__('It has used no calibration snapshot.')}
            </p>
          );
        }
        const at = Date.parse(calibration.snapshot_at) / 1000;
        const device = devices.find(calibration.device);
        const isLatest = device?.snapshot_id === calibration.snapshot_id;
        return (
          <dl className="qhub-Pairs">
            <dt>{trans.__('Device')}</dt>
            <dd>{plain(calibration.device, 100)}</dd>
            <dt>{trans.__('Calibrated')}</dt>
            <dd>
              {isFinite(at) ? (
                <>
                  {moment(at)} <span className="qhub-quiet">·</span>{' '}
                  <Age since={at} /> {trans.__('ago')}
                </>
              ) : (
                plain(calibration.snapshot_at, 100)
              )}
            </dd>
            <dt>{trans.__('Snapshot')}</dt>
            <dd>
              <code>{plain(calibration.snapshot_id, 100)}</code>
            </dd>
            {calibration.synthetic && (
              <>
                <dt>{trans.__('Origin')}</dt>
                <dd>{trans.__('synthetic: not measured on a device')}</dd>
              </>
            )}
            {device && isLatest && <Medians device={device} trans={trans} />}
            {device && !isLatest && (
              <>
                <dt>{trans.__('Since then')}</dt>
                <dd>{trans.__('The device has a newer snapshot.')}</dd>
              </>
            )}
          </dl>
        );
      }}
    </Answer>
  );
}

function Medians(props: {
  device: Device;
  trans: TranslationBundle;
}): JSX.Element {
  const { device, trans } = props;
  const { medians } = device;
  const dead = device.dead_edges.length;
  const rows: [string, string][] = [
    [trans.__('T1'), microseconds(medians.t1_s)],
    [trans.__('T2'), microseconds(medians.t2_s)],
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
      <dd>{dead === 0 ? trans.__('none') : dead}</dd>
    </>
  );
}

function microseconds(seconds: number | null | undefined): string {
  return seconds ? `${(seconds * 1e6).toPrecision(3)} µs` : '–';
}

function percent(part: number | null | undefined): string {
  return part ? `${Number((part * 100).toPrecision(3))} %` : '–';
}

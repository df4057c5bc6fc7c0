import type { TranslationBundle } from '@jupyterlab/translation';
import { useState } from 'react';

import type { Device } from '../../api/types';
import type { DevicesModel } from '../../model/devices';
import type { Folds } from '../../model/folds';
import { plain, Tone } from '../../words';
import { Age, Until } from '../age';
import { useSignal } from '../signal';
import { Section } from './section';

/** The devices that can be reached or are chosen first; the rest, of which only the snapshot is here, on demand. */
export function Devices(props: {
  devices: DevicesModel;
  chosen: string;
  folds: Folds;
  trans: TranslationBundle;
}): JSX.Element | null {
  const { devices, chosen, folds, trans } = props;
  useSignal(devices.changed);
  const [all, setAll] = useState(false);
  if (devices.devices.length === 0) {
    const words =
      plain(devices.trouble) ||
      (devices.loadedAt === null ? trans.__('Asking how they stand …') : '');
    return words ? (
      <Section name="devices" folds={folds} title={trans.__('Devices')}>
        <p className="qhub-Words qhub-mod-coming">{words}</p>
      </Section>
    ) : null;
  }
  const near = devices.devices.filter(
    device => device.resource !== null || device.name === chosen
  );
  const shown = all || near.length === 0 ? devices.devices : near;
  const hidden = devices.devices.length - shown.length;
  const online = near.filter(isOnline).length;
  return (
    <Section
      name="devices"
      folds={folds}
      title={trans.__('Devices')}
      aside={
        online > 0 ? trans.__('%1 online', online) : trans.__('none online')
      }
    >
      <ul className="qhub-Devices" aria-label={trans.__('Devices')}>
        {shown.map(device => (
          <DeviceItem
            key={device.name}
            device={device}
            loadedAt={devices.loadedAt!}
            trans={trans}
          />
        ))}
      </ul>
      {(hidden > 0 || all) && near.length > 0 && (
        <button className="qhub-LinkButton" onClick={() => setAll(!all)}>
          {all
            ? trans.__('Only those within reach')
            : trans._n(
                '%1 more, by its snapshot',
                '%1 more, by their snapshots',
                hidden
              )}
        </button>
      )}
    </Section>
  );
}

function isOnline({ resource }: Device): boolean {
  return resource !== null && resource.state === 'online' && !resource.trouble;
}

function DeviceItem(props: {
  device: Device;
  loadedAt: number;
  trans: TranslationBundle;
}): JSX.Element {
  const { device, trans } = props;
  const { resource } = device;
  const [tone, word] = standing(device, trans);
  const troubles = [resource?.trouble, resource?.windows_trouble].filter(
    (words): words is string => Boolean(words)
  );
  return (
    <li className={`qhub-Device qhub-tone-${tone}`}>
      <span
        className="qhub-Dot"
        data-on={isOnline(device)}
        aria-hidden="true"
      />
      <div className="qhub-Tier-facts">
        <div className="qhub-Tier-head">
          <span className="qhub-Tier-name">{device.name}</span>
          <span className="qhub-Tier-open">{word}</span>
        </div>
        <div className="qhub-Tier-words">
          <span>{trans.__('%1 qubits', device.qubits)}</span>
          {resource?.queue !== null && resource?.queue !== undefined && (
            <span>{trans._n('%1 waits', '%1 wait', resource.queue)}</span>
          )}
          <span title={trans.__('Calibrated %1', device.snapshot_at)}>
            {device.synthetic
              ? trans.__('made-up calibration')
              : trans.__('calibrated')}{' '}
            <Age since={props.loadedAt - device.snapshot_age_s} coarse />{' '}
            {trans.__('ago')}
          </span>
          {resource?.next_calibration_at && (
            <span>
              {trans.__('next')}{' '}
              <Until at={resource.next_calibration_at} trans={trans} />
            </span>
          )}
        </div>
        {troubles.map(words => (
          <div
            key={words}
            className="qhub-Tier-words qhub-mod-clamped"
            title={plain(words)}
          >
            {plain(words)}
          </div>
        ))}
      </div>
    </li>
  );
}

function standing(device: Device, trans: TranslationBundle): [Tone, string] {
  const { resource } = device;
  if (resource === null) {
    return device.virtual
      ? ['quiet', trans.__('simulated')]
      : ['quiet', trans.__('snapshot only')];
  }
  if (resource.trouble) {
    return ['bad', trans.__('in trouble')];
  }
  const words: Record<string, string> = {
    '': trans.__('not asked yet'),
    online: trans.__('online'),
    paused: trans.__('paused'),
    calibrating: trans.__('calibrating'),
    offline: trans.__('offline'),
    unknown: trans.__('unknown')
  };
  const word = words[resource.state] ?? plain(resource.state, 30);
  return [
    resource.state === 'online' ? 'good' : 'waiting',
    device.virtual ? trans.__('simulated, %1', word) : word
  ];
}

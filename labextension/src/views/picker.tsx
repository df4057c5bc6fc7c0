import type { TranslationBundle } from '@jupyterlab/translation';
import { HTMLSelect, ReactWidget } from '@jupyterlab/ui-components';
import { useEffect } from 'react';

import type { Choice, Tier } from '../api/types';
import type { ChoiceModel } from '../model/choice';
import type { JobsModel } from '../model/jobs';
import { useSignal } from './signal';

interface Props {
  model: ChoiceModel;
  jobs: JobsModel;
  trans: TranslationBundle;
}

/** Where the `%%qpu` cells of this notebook run: in its toolbar. */
export class Picker extends ReactWidget {
  constructor(private readonly _props: Props) {
    super();
    this.addClass('qhub-Picker');
  }

  protected render(): JSX.Element {
    return <PickerFace {...this._props} />;
  }
}

export function PickerFace(props: Props): JSX.Element | null {
  const { model, jobs, trans } = props;
  useSignal(model.changed);
  useSignal(jobs.changed);
  useSignal(jobs.devices.changed);
  useEffect(() => jobs.devices.start(), [jobs]);
  const { status } = jobs;
  const choice: Choice | null = model.choice ?? status?.chosen ?? null;
  if (status === null || choice === null) {
    return null; // without a server there is nothing to pick; the sidebar says so
  }
  const names = jobs.devices.devices.map(device => device.name);
  const devices = names.includes(choice.device)
    ? names
    : [choice.device, ...names];
  const tier = status.tiers.find(({ name }) => name === choice.tier);
  return (
    <>
      <HTMLSelect
        className="qhub-Picker-tier"
        value={choice.tier}
        aria-label={trans.__('Tier of the quantum cells')}
        title={
          tier
            ? trans.__('Tier %1; noise: %2', tier.title, tier.noise)
            : trans.__('Tier of the quantum cells')
        }
        onChange={event => model.choose({ tier: event.target.value as Tier })}
      >
        {status.tiers.map(({ name, open, why }) => (
          <option
            key={name}
            value={name}
            disabled={!open && name !== choice.tier}
            title={why}
          >
            {open ? name : trans.__('%1 (closed)', name)}
          </option>
        ))}
      </HTMLSelect>
      <HTMLSelect
        className="qhub-Picker-device"
        value={choice.device}
        aria-label={trans.__('Device of the quantum cells')}
        title={trans.__('Device of the quantum cells')}
        onChange={event => model.choose({ device: event.target.value })}
      >
        {devices.map(name => (
          <option key={name} value={name}>
            {name}
          </option>
        ))}
      </HTMLSelect>
    </>
  );
}

import { Dialog, ReactWidget, showDialog } from '@jupyterlab/apputils';
import type { TranslationBundle } from '@jupyterlab/translation';
import { HTMLSelect } from '@jupyterlab/ui-components';
import { useEffect, useState } from 'react';

import type { Another, Summary } from '../api/types';
import type { JobsModel } from '../model/jobs';
import { useSignal } from './signal';

type Job = Pick<Summary, 'tier' | 'device'>;

/** What these jobs are to have another of when they run again; null where the user thinks better of it. */
export async function askAnother(
  jobs: readonly Job[],
  model: JobsModel,
  trans: TranslationBundle
): Promise<Another | null> {
  const body = new AnotherForm(jobs, model, trans);
  const answer = await showDialog({
    title: trans._n(
      'Run this job again with changes',
      'Run %1 jobs again with changes',
      jobs.length
    ),
    body,
    buttons: [
      Dialog.cancelButton({ label: trans.__('Back') }),
      Dialog.okButton({ label: trans.__('Run again') })
    ]
  });
  return answer.button.accept ? answer.value : null;
}

class AnotherForm extends ReactWidget implements Dialog.IBodyWidget<Another> {
  constructor(
    private readonly _jobs: readonly Job[],
    private readonly _model: JobsModel,
    private readonly _trans: TranslationBundle
  ) {
    super();
  }

  getValue(): Another {
    return this._value;
  }

  protected render(): JSX.Element {
    return (
      <AnotherFace
        jobs={this._jobs}
        model={this._model}
        trans={this._trans}
        onChange={value => {
          this._value = value;
        }}
      />
    );
  }

  private _value: Another = {};
}

function AnotherFace(props: {
  jobs: readonly Job[];
  model: JobsModel;
  trans: TranslationBundle;
  onChange: (value: Another) => void;
}): JSX.Element {
  const { jobs, model, trans, onChange } = props;
  useSignal(model.devices.changed);
  useEffect(() => model.devices.start(), [model]);
  const [chosen, setChosen] = useState<Another>({});

  const tiers = new Set(jobs.map(job => chosen.tier ?? job.tier));
  // a calibration belongs to its device, and a device is as it is now
  const sameIsPossible = chosen.device === undefined && !tiers.has('qpu');
  const choose = (change: Record<string, string>): void => {
    const all = { ...chosen, ...change };
    const kept = Object.entries(all).filter(([, value]) => value !== '');
    const next = Object.fromEntries(kept) as Another;
    const lost =
      next.snapshot === 'same' &&
      (next.device !== undefined || next.tier === 'qpu');
    if (lost) {
      delete next.snapshot;
    }
    setChosen(next);
    onChange(next);
  };
  const before = (facts: string[]): string => {
    const [one, ...others] = new Set(facts);
    return one && others.length === 0
      ? trans.__('as before: %1', one)
      : trans.__('as before');
  };
  return (
    <div className="qhub-Another">
      <Choice
        label={trans.__('Tier')}
        value={chosen.tier}
        onChoose={tier => choose({ tier })}
        options={[
          ['', before(jobs.map(job => job.tier))],
          ...(model.status?.tiers ?? [])
            .filter(({ open }) => open)
            .map(({ name }): Option => [name, name])
        ]}
      />
      <Choice
        label={trans.__('Device')}
        value={chosen.device}
        onChoose={device => choose({ device })}
        options={[
          ['', before(jobs.map(job => job.device))],
          ...model.devices.devices.map(({ name }): Option => [name, name])
        ]}
      />
      <Choice
        label={trans.__('Calibration')}
        value={chosen.snapshot}
        onChoose={snapshot => choose({ snapshot })}
        options={[
          [
            '',
            sameIsPossible
              ? trans.__('of then, where it is known')
              : trans.__('the present one')
          ],
          ['same', trans.__('of then, or not at all'), !sameIsPossible],
          ['latest', trans.__('the present one'), !sameIsPossible]
        ]}
      />
      <Choice
        label={trans.__('Environment')}
        value={chosen.runtime}
        onChoose={runtime => choose({ runtime })}
        options={[
          ['', trans.__('the interpreter of then, as it is now')],
          ['same', trans.__('of then, built again if need be')],
          ['current', trans.__('the present one')]
        ]}
      />
    </div>
  );
}

type Option = [value: string, title: string, disabled?: boolean];

function Choice(props: {
  label: string;
  value: string | undefined;
  options: Option[];
  onChoose: (value: string) => void;
}): JSX.Element {
  return (
    <label className="qhub-Another-choice">
      <span>{props.label}</span>
      <HTMLSelect
        value={props.value ?? ''}
        onChange={event => props.onChoose(event.target.value)}
      >
        {props.options.map(([value, title, disabled]) => (
          <option key={value} value={value} disabled={disabled}>
            {title}
          </option>
        ))}
      </HTMLSelect>
    </label>
  );
}

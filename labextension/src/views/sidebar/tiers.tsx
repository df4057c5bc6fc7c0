import type { TranslationBundle } from '@jupyterlab/translation';

import type { Status, TierState } from '../../api/types';
import type { DevicesModel } from '../../model/devices';
import type { Folds } from '../../model/folds';
import { plain } from '../../words';
import { Until } from '../age';
import { useSignal } from '../signal';
import { Section } from './section';

/** The tiers: open, or why not. */
export function Tiers(props: {
  status: Status;
  devices: DevicesModel;
  folds: Folds;
  trans: TranslationBundle;
}): JSX.Element {
  const { status, devices, trans } = props;
  const { tier, device } = status.chosen;
  useSignal(devices.changed);
  const next = devices.find(device)?.resource?.next_calibration_at ?? null;
  return (
    <Section
      name="tiers"
      folds={props.folds}
      title={trans.__('Tiers')}
      aside={[tier, device].filter(Boolean).join(' · ')}
    >
      <ul className="qhub-Tiers">
        {status.tiers.map(one => (
          <Tier
            key={one.name}
            tier={one}
            chosen={one.name === tier}
            window={one.name === 'qpu' && next !== null ? [device, next] : null}
            trans={trans}
          />
        ))}
      </ul>
    </Section>
  );
}

function Tier(props: {
  tier: TierState;
  chosen: boolean;
  /** The device that cells use where they name none, and when it is calibrated next. */
  window: [device: string, at: number] | null;
  trans: TranslationBundle;
}): JSX.Element {
  const { tier, chosen, window, trans } = props;
  const why = plain(tier.why);
  return (
    <li
      className={`qhub-Tier ${tier.open ? 'qhub-tone-good' : 'qhub-tone-quiet'}`}
    >
      <span className="qhub-Dot" data-on={tier.open} aria-hidden="true" />
      <div className="qhub-Tier-facts">
        <div className="qhub-Tier-head">
          <span className="qhub-Tier-name">{tier.name}</span>
          {chosen && (
            <span
              className="qhub-Pill qhub-mod-chosen"
              title={trans.__('Cells that name no tier run here')}
            >
              {trans.__('default')}
            </span>
          )}
          <span className="qhub-Tier-noise" title={plain(tier.noise)}>
            {tier.open && noiseWords(tier, trans)}
          </span>
          {tier.open ? (
            <span className="qhub-unseen">{trans.__('open')}</span>
          ) : (
            <span className="qhub-Tier-open">{trans.__('closed')}</span>
          )}
        </div>
        {tier.open && window !== null && (
          <div className="qhub-Tier-words">
            {trans.__('next calibration of %1', window[0])}{' '}
            <Until at={window[1]} trans={trans} />
          </div>
        )}
        {!tier.open && (
          <div className="qhub-Tier-words qhub-mod-clamped" title={why}>
            {why}
          </div>
        )}
      </div>
    </li>
  );
}

/** In two or three words, for a narrow sidebar; all of it is in the title. */
function noiseWords(tier: TierState, trans: TranslationBundle): string {
  switch (tier.name) {
    case 'local':
      return trans.__('no noise');
    case 'emulation':
      return trans.__('snapshot’s noise');
    case 'qpu':
      return trans.__('device’s own noise');
    default:
      return plain(tier.noise);
  }
}

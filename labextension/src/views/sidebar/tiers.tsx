import type { TranslationBundle } from '@jupyterlab/translation';

import type { Status, TierState } from '../../api/types';
import type { Folds } from '../../model/folds';
import { plain } from '../../words';
import { Section } from './section';

/** The tiers: open, or why not. */
export function Tiers(props: {
  status: Status;
  folds: Folds;
  trans: TranslationBundle;
}): JSX.Element {
  const { status, trans } = props;
  const { tier, device } = status.chosen;
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
  trans: TranslationBundle;
}): JSX.Element {
  const { tier, chosen, trans } = props;
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
            {tier.open && plain(tier.noise)}
          </span>
          <span className="qhub-Tier-open">
            {tier.open ? trans.__('open') : trans.__('closed')}
          </span>
        </div>
        {!tier.open && (
          <div className="qhub-Tier-words qhub-mod-clamped" title={why}>
            {why}
          </div>
        )}
      </div>
    </li>
  );
}

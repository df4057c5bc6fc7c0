import type { IRenderMimeRegistry } from '@jupyterlab/rendermime';
import type { TranslationBundle } from '@jupyterlab/translation';
import { useEffect } from 'react';

import { FLEET_KEYS, FleetKey } from '../../api/fleet';
import type { FleetModel } from '../../model/fleet';
import { plain } from '../../words';
import { Plot, Zoomable } from '../plot';
import { useSignal } from '../signal';
import { Clusters } from './clusters';
import { NoBroker, NotAllowed } from './empty';
import { Groups } from './groups';
import { Levels } from './levels';
import { keyWord } from './words';

const PERIODS = [1, 7, 30, 90];

/** The whole site at a glance, for those who run it. `shown`: whether anybody can see it, else nobody asks. */
export function FleetFace(props: {
  model: FleetModel;
  shown: boolean;
  rendermime: IRenderMimeRegistry | null;
  trans: TranslationBundle;
}): JSX.Element {
  const { model, shown, rendermime, trans } = props;
  useSignal(model.changed);
  useEffect(() => {
    const watch = shown ? model.watch() : null;
    return () => watch?.dispose();
  }, [model, shown]);
  const { fleet, trouble } = model;
  if (model.forbidden) {
    return <NotAllowed trans={trans} />;
  }
  if (fleet === null) {
    return trouble === '' ? (
      <p className="qhub-Fleet-words" role="status">
        {trans.__('Asking the broker …')}
      </p>
    ) : (
      <p className="qhub-Fleet-trouble" role="alert">
        {plain(trouble, 400)}
      </p>
    );
  }
  const { overview, levels, figure } = fleet;
  if (overview === null || levels === null) {
    return <NoBroker trans={trans} />;
  }
  const keys = FLEET_KEYS.filter(key => key !== 'user' || overview.names);
  return (
    <>
      <div className="qhub-Fleet-top">
        <h2>{trans.__('Fleet')}</h2>
        <p>
          {trans._n(
            '%2 attempts of %1 user ended, %3 of them badly.',
            '%2 attempts of %1 users ended, %3 of them badly.',
            overview.users,
            overview.jobs,
            overview.failed
          )}{' '}
          {!overview.names &&
            trans.__(
              'You see counts, and of failures your own; operators of the broker see names.'
            )}
        </p>
        <div className="qhub-Fleet-choices">
          <label>
            {trans.__('The last')}{' '}
            <select
              value={model.days}
              onChange={event => model.choose(model.by, +event.target.value)}
            >
              {PERIODS.map(days => (
                <option key={days} value={days}>
                  {trans._n('day', '%1 days', days)}
                </option>
              ))}
            </select>
          </label>
          <label>
            {trans.__('by')}{' '}
            <select
              value={model.by}
              onChange={event =>
                model.choose(event.target.value as FleetKey, model.days)
              }
            >
              {keys.map(key => (
                <option key={key} value={key}>
                  {keyWord(key, trans)}
                </option>
              ))}
            </select>
          </label>
          <button
            type="button"
            className="qhub-Button"
            onClick={() => model.refresh()}
          >
            {trans.__('Ask again')}
          </button>
        </div>
        {trouble !== '' && (
          <p className="qhub-Fleet-trouble" role="alert">
            {plain(trouble, 400)}
          </p>
        )}
      </div>
      <section aria-label={trans.__('Failures that are alike')}>
        <h3>{trans.__('Failures that are alike')}</h3>
        <Clusters clusters={overview.clusters} trans={trans} />
        {figure !== null && (
          <Zoomable rendermime={rendermime} trans={trans}>
            {() => <Plot figure={figure} rendermime={rendermime!} />}
          </Zoomable>
        )}
      </section>
      <section aria-label={keyWord(overview.by, trans)}>
        <h3>{keyWord(overview.by, trans)}</h3>
        <Groups overview={overview} trans={trans} />
      </section>
      <section aria-label={trans.__('Service levels')}>
        <Levels levels={levels} trans={trans} />
      </section>
    </>
  );
}

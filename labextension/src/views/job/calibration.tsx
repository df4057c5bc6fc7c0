import { moment, plain } from '../../words';
import { Age } from '../age';
import { Answer } from './answer';
import type { JobContext } from './context';

/** The calibration snapshot that the job used. */
export function Calibration(props: { context: JobContext }): JSX.Element {
  const { facets, trans } = props.context;
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
          </dl>
        );
      }}
    </Answer>
  );
}

import type { TranslationBundle } from '@jupyterlab/translation';

const COMMAND = 'qhub broker serve --slurm';
const SETTING = `[broker]
socket = "/run/qhub/broker.sock"`;

/** What is said where no broker gathers what jobs tell at their end: what there would be to see, and how to get it. */
export function NoBroker(props: { trans: TranslationBundle }): JSX.Element {
  const { trans } = props;
  return (
    <div className="qhub-Fleet-empty">
      <h3>{trans.__('No broker is configured')}</h3>
      <p>
        {trans.__(
          'With a broker, each job tells at its end how it ended, where, and for how long: no code, no data, no names from the cell. Here you would see failures that are alike, whether they have a common cause such as one node or one calibration, and whether jobs begin within what the site promises.'
        )}
      </p>
      <p>{trans.__('An operator starts one:')}</p>
      <pre>{COMMAND}</pre>
      <p>{trans.__('And qhub.toml says where it is:')}</p>
      <pre>{SETTING}</pre>
      <p>
        {trans.__(
          'Your own jobs alone are told by %1 in a terminal.',
          'qhub fleet'
        )}
      </p>
    </div>
  );
}

/** What is said to whom the server does not let look. */
export function NotAllowed(props: { trans: TranslationBundle }): JSX.Element {
  const { trans } = props;
  return (
    <div className="qhub-Fleet-empty" role="alert">
      <h3>{trans.__('You may not look at the fleet here')}</h3>
      <p>
        {trans.__(
          'Whoever runs this server decides who sees what all jobs of the site tell: its Authorizer is asked for %1 on %2.',
          'read',
          'qhub_ext:fleet'
        )}
      </p>
      <p>
        {trans.__(
          'Whether a failure of your own is met by others, %1 tells in a terminal.',
          'qhub fleet JOB'
        )}
      </p>
    </div>
  );
}

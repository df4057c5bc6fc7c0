import type { TranslationBundle } from '@jupyterlab/translation';

import type { JobsModel } from '../../model/jobs';
import type { Listing } from '../../model/listing';
import { CommandIDs } from '../../tokens';
import type { Run } from './actions';
import { Snippet } from './snippet';

/** Short lines: a sidebar is narrow. */
const FIRST = '%load_ext qhub_ext';
const SECOND = `%%qpu --tier emulation --shots 1000
from qiskit import QuantumCircuit
from qiskit.transpiler import generate_preset_pass_manager
from qhub_ext import Sampler, backend

bell = QuantumCircuit(2)
bell.h(0)
bell.cx(0, 1)
bell.measure_all()
isa = generate_preset_pass_manager(3, backend=backend()).run(bell)
result = Sampler().run([isa]).result()
result[0].data.meas.get_counts()`;

/** What is said where there is no job yet: how to get one. */
export function NoJobs(props: {
  model: JobsModel;
  trans: TranslationBundle;
  run: Run;
}): JSX.Element {
  const { model, trans, run } = props;
  return (
    <div className="qhub-Empty">
      <h3>{trans.__('No jobs yet')}</h3>
      <p>
        {trans.__(
          'A cell becomes a job when it begins with %1. It runs on the site while the notebook stays free, and its outputs come back under the cell. Two cells to try it:',
          '%%qpu'
        )}
      </p>
      <Snippet text={FIRST} label={trans.__('the first cell')} trans={trans} />
      <Snippet
        text={SECOND}
        label={trans.__('the second cell')}
        trans={trans}
      />
      <p>
        {trans.__(
          'Change the tier to local or qpu, and nothing else, to run it without noise or on the device.'
        )}
      </p>
      {model.writable && run.knows(CommandIDs.openTutorials) && (
        <p>
          {trans.__('More of it, step by step:')}{' '}
          <button
            type="button"
            className="qhub-LinkButton"
            title={trans.__(
              'Copies the tutorial notebooks into your folder, and opens the first'
            )}
            onClick={() => run(CommandIDs.openTutorials)}
          >
            {trans.__('Open the tutorials')}
          </button>
        </p>
      )}
    </div>
  );
}

/** What is said where there are jobs, but none that matches. */
export function NoMatch(props: {
  listing: Listing;
  trans: TranslationBundle;
}): JSX.Element {
  const { listing, trans } = props;
  return (
    <div className="qhub-Empty" role="status">
      <p>
        {trans._n(
          'Your %1 job does not match.',
          'None of your %1 jobs matches.',
          listing.model.jobs.length
        )}
      </p>
      <button className="qhub-Button" onClick={() => listing.clearFilter()}>
        {trans.__('Show all')}
      </button>
    </div>
  );
}

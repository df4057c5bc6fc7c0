import type { TranslationBundle } from '@jupyterlab/translation';

import type {
  CalibrationMap as Drawing,
  UsedCalibration
} from '../../api/types';
import { duration, moment, plain } from '../../words';

const [DOT_PX, RING_PX, EDGE_PX, GLOW_PX, REACH_PX] = [6, 9, 3, 8, 12];

/** The device with what the tasks used; each qubit and edge tells its numbers to who points at it or hears the page. */
export function CalibrationMap(props: {
  used: UsedCalibration;
  trans: TranslationBundle;
}): JSX.Element {
  const { used, trans } = props;
  const { width, height, qubits, edges } = used.map;
  return (
    <figure className="qhub-Map">
      <figcaption className="qhub-quiet">
        {trans.__(
          'Qubits by readout error, edges by two-qubit error, blue to red; grey is dead or not known. Ringed is what the tasks used. Point at one for its numbers.'
        )}
      </figcaption>
      <svg
        role="group"
        aria-label={trans.__('Map of %1', plain(used.device, 100))}
        viewBox={`0 0 ${width} ${height}`}
        width={width}
        height={height}
      >
        {edges
          .filter(edge => edge.used > 0)
          .map((edge, index) => (
            <line
              key={index}
              className="qhub-Map-used"
              {...ends(edge, qubits)}
              strokeWidth={GLOW_PX}
            />
          ))}
        {edges.map((edge, index) => (
          <g key={index} role="img">
            <title>{edgeWords(edge, trans)}</title>
            <line
              {...ends(edge, qubits)}
              stroke={edge.colour}
              strokeWidth={EDGE_PX}
              strokeDasharray={edge.dead ? '3 3' : undefined}
            />
            <line
              className="qhub-Map-reach"
              {...ends(edge, qubits)}
              strokeWidth={REACH_PX}
            />
          </g>
        ))}
        {qubits.map(qubit => (
          <g key={qubit.index} role="img">
            <title>{qubitWords(qubit, trans)}</title>
            {qubit.used > 0 && (
              <circle
                className="qhub-Map-used"
                cx={qubit.x}
                cy={qubit.y}
                r={RING_PX}
              />
            )}
            <circle cx={qubit.x} cy={qubit.y} r={DOT_PX} fill={qubit.colour} />
          </g>
        ))}
      </svg>
    </figure>
  );
}

function ends(
  edge: { a: number; b: number },
  qubits: Drawing['qubits']
): { x1: number; y1: number; x2: number; y2: number } {
  const [a, b] = [qubits[edge.a], qubits[edge.b]];
  return { x1: a.x, y1: a.y, x2: b.x, y2: b.y };
}

function qubitWords(
  qubit: Drawing['qubits'][number],
  trans: TranslationBundle
): string {
  return lines([
    qubit.used > 0
      ? trans.__('Qubit %1, used by the tasks', qubit.index)
      : trans.__('Qubit %1', qubit.index),
    qubit.dead && trans.__('dead'),
    trans.__('readout error %1', percent(qubit.readout_error)),
    trans.__('one-qubit error %1', percent(qubit.one_qubit_error)),
    trans.__('T1 %1', lifetime(qubit.t1_s)),
    trans.__('T2 %1', lifetime(qubit.t2_s)),
    measured(qubit.dated_at, trans)
  ]);
}

function edgeWords(
  edge: Drawing['edges'][number],
  trans: TranslationBundle
): string {
  return lines([
    trans.__('Edge %1–%2', edge.a, edge.b),
    edge.used > 0 &&
      trans._n('%1 gate of the tasks', '%1 gates of the tasks', edge.used),
    edge.dead
      ? trans.__('dead')
      : trans.__('two-qubit error %1', percent(edge.error)),
    edge.gate !== '' && trans.__('gate %1', plain(edge.gate, 40)),
    measured(edge.dated_at, trans)
  ]);
}

function measured(at: number | null, trans: TranslationBundle): string | false {
  return at !== null && trans.__('measured %1', moment(at));
}

/** One under the other for who points, with a pause between them for who hears. */
function lines(told: (string | false)[]): string {
  return told.filter(Boolean).join(',\n');
}

/** `256 µs`; of ions it may be minutes. */
export function lifetime(seconds: number | null | undefined): string {
  return seconds && seconds < 0.01
    ? `${Number((seconds * 1e6).toPrecision(3))} µs`
    : duration(seconds || null);
}

export function percent(part: number | null | undefined): string {
  return part ? `${Number((part * 100).toPrecision(3))} %` : '–';
}

import type { IOutput } from '@jupyterlab/nbformat';
import type { IOutputAreaModel } from '@jupyterlab/outputarea';
import { JSONExt } from '@lumino/coreutils';

/** Brings an output area to these outputs, in place where it can be, so that what is on screen stays there. */
export function putOutputs(
  area: IOutputAreaModel,
  outputs: readonly IOutput[]
): void {
  const before = area.toJSON();
  // the area joins a stream to the one that was added last, whatever stands in its place by now
  const joins = outputs[before.length]?.output_type === 'stream';
  const streams = before.some(({ output_type }) => output_type === 'stream');
  if (outputs.length < before.length || (joins && streams)) {
    area.fromJSON([...outputs]);
    return;
  }
  outputs.forEach((output, index) => {
    if (index >= before.length) {
      area.add(output);
    } else if (!JSONExt.deepEqual(before[index], output)) {
      area.set(index, output);
    }
  });
}

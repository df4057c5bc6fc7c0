import axe from 'axe-core';

/** What a screen reader's user would stumble over in `node`, one line each; [] where all is well. */
export async function violations(node: Element): Promise<string[]> {
  const { violations } = await axe.run(node, {
    // jsdom computes no layout, so there is no contrast; a part of a page needs no landmarks
    rules: {
      'color-contrast': { enabled: false },
      region: { enabled: false }
    }
  });
  return violations.map(
    ({ id, help, nodes }) =>
      `${id}: ${help}: ${nodes.map(({ html }) => html).join(' ')}`
  );
}

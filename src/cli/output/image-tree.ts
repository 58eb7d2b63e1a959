import { formatSize, shortId } from '../../base/index.ts';
import type { ImageManifest, ImageSummary } from '../../client/index.ts';

/** A line of the tree: the image or platform, and its cells. */
interface Line {
  readonly name: string;
  readonly cells: readonly string[];
}

const COLUMNS = [
  { title: 'ID', width: 12, align: 'left' },
  { title: 'DISK USAGE', width: 10, align: 'right' },
  { title: 'CONTENT SIZE', width: 12, align: 'right' },
  { title: 'EXTRA', width: 5, align: 'left' },
] as const;

const SPACING = '   ';
const LEGEND = 'Info ->  U In Use';

/**
 * Images with their platforms below them, as `docker images --tree` shows them. The names of one image stand one below
 * the other, with its figures behind the last.
 */
export function imageTree(images: readonly ImageSummary[]): string {
  const blocks = images
    .toSorted((a, b) => b.Created - a.Created || (firstName(a) < firstName(b) ? -1 : 1))
    .map(imageLines);
  const names = ['IMAGE', ...blocks.flat().map(({ name }) => name)];
  const width = Math.max(...names.map((name) => [...name].length));
  const lineText = ({ name, cells }: Line) =>
    [name.padEnd(width), ...COLUMNS.map((column, index) => padded(cells[index] ?? '', column))]
      .join(SPACING)
      .trimEnd();
  const header = lineText({ name: 'IMAGE', cells: COLUMNS.map(({ title }) => title) });
  const body = blocks.map((lines) => lines.map((line) => `${lineText(line)}\n`).join('')).join('\n');
  return `${LEGEND.padStart(header.length)}\n\n${header}\n${body}`;
}

function imageLines(image: ImageSummary): Line[] {
  const platforms = (image.Manifests ?? []).filter(({ Kind: kind }) => kind === 'image');
  const names = image.RepoTags ?? [];
  const others = names.slice(0, -1).map((name) => ({ name, cells: [] }));
  const content = platforms.reduce((sum, { Size: size }) => sum + size.Content, 0);
  const isUsed = image.Containers > 0 || platforms.some(isManifestUsed);
  return [
    ...others,
    { name: names.at(-1) ?? '<untagged>', cells: cellsOf(image.Id, image.Size, content, isUsed) },
    ...platforms.map((manifest, index) => ({
      name: `${index === platforms.length - 1 ? '└─' : '├─'} ${platformName(manifest)}`,
      cells: cellsOf(manifest.ID, manifest.Size.Total, manifest.Size.Content, isManifestUsed(manifest)),
    })),
  ];
}

function cellsOf(id: string, size: number, content: number, isUsed: boolean): readonly string[] {
  return [shortId(id), formatSize(size), formatSize(content), isUsed ? 'U' : ''];
}

function isManifestUsed({ ImageData: data }: ImageManifest): boolean {
  return (data?.Containers ?? []).length > 0;
}

function platformName({ ImageData: data }: ImageManifest): string {
  const { os = '', architecture = '', variant } = data?.Platform ?? {};
  return [os, architecture, ...(variant === undefined ? [] : [variant])].join('/');
}

function firstName(image: ImageSummary): string {
  return image.RepoTags?.[0] ?? image.Id;
}

function padded(text: string, { width, align }: (typeof COLUMNS)[number]): string {
  return align === 'left' ? text.padEnd(width) : text.padStart(width);
}

/** The series of the studies that are open, and the priors beside them; each series is read when it is shown. */
import { search } from "../core/api.js";
import { t } from "../core/strings.js";
import { first, number, text } from "../dicom/dataset.js";
import { SERIES_FIELDS } from "../pages/details.js";
import { WITHOUT_PICTURE } from "../pages/thumbnail.js";
import { sorted } from "./geometry.js";
import { imagesOf, kindOf } from "./image.js";

const PRIORS = 10;
const FEW = 32; // so few instances are read as quickly as one
const DERIVED = new Set(["SEG", "RTDOSE", "RWV", "REG"]);

/** The attributes that decide in which form a frame is requested. */
const FRAME_FIELDS = "StudyInstanceUID,SeriesInstanceUID,SamplesPerPixel,PhotometricInterpretation,Rows,Columns,BitsAllocated,NumberOfFrames";
const STUDY_FIELDS = "StudyDescription,PatientBirthDate,PatientSex,NumberOfStudyRelatedInstances,ModalitiesInStudy";

export async function openStudy(uid, signal) {
  const [{ items: studies }, { items: found }] = await Promise.all([
    search("studies", { StudyInstanceUID: uid, includefield: STUDY_FIELDS }, { signal }),
    search(`studies/${uid}/series`, { includefield: SERIES_FIELDS }, { signal }),
  ]);
  if (!studies.length) return undefined;
  const series = found.map((each) => describe(uid, each));
  series.sort((a, b) => rank(a) - rank(b) || a.number - b.number);
  return { uid, dataset: studies[0], series };
}

/** How many images it has; 0 if it is gone. */
export async function countOf(uid, signal) {
  const { items } = await search("studies", { StudyInstanceUID: uid, includefield: "NumberOfStudyRelatedInstances" }, { signal });
  return number(items[0], "NumberOfStudyRelatedInstances", 0);
}

/** `id` distinguishes the images of a series from its other objects. */
const describe = (study, dataset) => ({
  study,
  id: text(dataset, "SeriesInstanceUID"),
  uid: text(dataset, "SeriesInstanceUID"),
  modality: text(dataset, "Modality"),
  description: text(dataset, "SeriesDescription"),
  number: number(dataset, "SeriesNumber", 0),
  count: number(dataset, "NumberOfSeriesRelatedInstances", 0),
});

/**
 * A series with just its middle image, while the others are unknown; undefined if that takes as long, or is no image. The
 * frame is fetched at the same time as its metadata.
 */
export async function glimpse(series, { metadata, frames }, signal) {
  if (series.count < FEW) return undefined;
  const asked = { limit: 1, offset: Math.floor((series.count - 1) / 2), includefield: FRAME_FIELDS };
  const { items } = await search(`studies/${series.study}/series/${series.uid}/instances`, asked, { signal });
  const [expected, ...others] = items.flatMap(imagesOf);
  if (!expected || others.length) return undefined;
  frames.expect(expected);
  const datasets = await metadata.read(series.study, series.uid, text(items[0], "SOPInstanceUID"));
  const images = datasets.flatMap(imagesOf);
  return images.length === 1 ? { ...series, datasets, images, kind: "image", partial: true } : undefined;
}

/** Everything in a series: its images in stack order, then its other objects, each only if there are any. */
export async function readSeries(series, metadata) {
  const datasets = await metadata.read(series.study, series.uid);
  const numberOf = (dataset) => number(dataset, "InstanceNumber", 0);
  datasets.sort((a, b) => numberOf(a) - numberOf(b));
  const isImage = (dataset) => kindOf(dataset) === "image";
  const [pictures, others] = [datasets.filter(isImage), datasets.filter((each) => !isImage(each))];
  const images = sorted(pictures.flatMap(imagesOf), (image) => numberOf(image.dataset));
  const cine = pictures.length === 1 && images.length > 1 && Boolean(number(pictures[0], "FrameTime") || number(pictures[0], "CineRate"));
  const beside = pictures.length ? { id: `${series.uid}/others`, description: t("viewer.others") } : {};
  return [
    { ...series, datasets: pictures, count: pictures.length, images, cine, kind: "image" },
    { ...series, ...beside, datasets: others, count: others.length, images: [], kind: "object" },
  ].filter(({ count }) => count);
}

/** Acquired images first, then derived ones, and objects without a picture last. */
const rank = ({ modality }) => (WITHOUT_PICTURE.has(modality) ? 2 : DERIVED.has(modality) ? 1 : 0);

/** Frames per second according to the instance, within what a screen can show. */
export function speedOf(image) {
  const rate = number(image?.dataset, "CineRate");
  const time = number(image?.dataset, "FrameTime");
  return Math.max(1, Math.min(60, rate || (time ? 1000 / time : 0) || 15));
}

/** Other studies of the same patient: the same ID, and no different birth date. */
export async function priorsOf(study, signal) {
  const patient = text(study.dataset, "PatientID");
  if (!patient || /[*?\\]/.test(patient)) return [];
  const { items } = await search("studies", { PatientID: patient, limit: PRIORS + 1, includefield: STUDY_FIELDS }, { signal });
  const born = (dataset) => first(dataset, "PatientBirthDate");
  const date = text(study.dataset, "StudyDate");
  return items
    .filter((each) => text(each, "StudyInstanceUID") !== study.uid && born(each) === born(study.dataset))
    .filter((each) => text(each, "StudyDate") <= date)
    .slice(0, PRIORS);
}

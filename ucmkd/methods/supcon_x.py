"""Supervised contrast across modalities: student and teacher embeddings of a class attract each other.

The class-conditional form of ``crd``: positives are all rows of the other modality with the anchor's label,
so no row needs a partner and any teacher batch will do. What crosses is the arrangement of classes in the
teacher's space, through two linear embeddings that give the modalities a common geometry; instances play no
part.

Trap: an anchor whose class the other batch lacks has no positive and is left out, so small batches of many
classes teach little.
"""

from torch import Tensor, nn

from ucmkd.methods import base
from ucmkd.methods.shared.contrastive import ContrastSettings, Embeddings, supervised_contrast
from ucmkd.methods.shared.feature_alignment import teacher_rows
from ucmkd.methods.shared.seeded_modules import seeded


class Method(base.Method[ContrastSettings]):
    """Cross-entropy plus supervised contrast, the mean over both directions.

    Khosla et al., arXiv:2004.11362, with the two views of a sample replaced by the two modalities.
    """

    label = "SupCon-X"
    needs = base.Needs(teacher=frozenset({"features"}), student_labels=True, teacher_labels=True)
    Settings = ContrastSettings

    def prepare(self, context: base.Context) -> nn.Module | None:
        self._embed = seeded(lambda: Embeddings(context.width, self.settings.dimensions), context.generator)
        return self._embed

    def losses(self, student: base.Outputs, batch: base.Batch) -> dict[str, Tensor]:
        teacher = teacher_rows(batch)
        own, other = self._embed(student.features, teacher.features.detach())
        similarities = own @ other.T / self.settings.temperature
        positive = batch.labels.unsqueeze(1) == teacher.labels.unsqueeze(0)
        onto_teacher = supervised_contrast(similarities, positive)
        onto_student = supervised_contrast(similarities.T, positive.T)
        return {
            "loss/task": batch.task_loss(student.logits),
            "loss/contrast": self.settings.weight * 0.5 * (onto_teacher + onto_student),
        }

// Which model is beside the reference, for the gallery, the viewer and the layers alike; then all parts begin.
function startModels() {
  if (data.models.length < 2) return;
  const labels = data.models.map((model) => model.label), refreshes = [];
  const press = (index) => {
    state.model = index;
    for (const refresh of refreshes) refresh();
    showGallery();
    if (find("viewer").open) showImage(state.image);
    if (find("trace")) chooseLayer(layerNow ?? 0);
  };
  for (const id of ["models", "viewer-models"]) refreshes.push(pressable(find(id), labels, (i) => i === state.model, press));
}

startGallery();
startViewer();
startModels();
startTrace();
startSettings();

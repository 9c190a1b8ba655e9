/* OHIF's settings for this archive. It is in OHIF's document, before OHIF itself. */
(() => {
  const root = document.querySelector("meta[name=root]").content;
  const dicomweb = `${root}/dicom-web`;

  /* Users who are not signed in do so first and come back; changes carry the CSRF token. */
  let csrf = "";
  fetch(`${root}/api/v1/auth/me`, { credentials: "same-origin" }).then(async (response) => {
    if (response.status === 401) {
      const next = location.pathname + location.search;
      location.replace(`${root}/signin?${new URLSearchParams({ next })}`);
    } else if (response.ok) {
      csrf = (await response.json()).csrf_token ?? "";
    }
  });
  const { open } = XMLHttpRequest.prototype;
  XMLHttpRequest.prototype.open = function (method, url, ...rest) {
    open.call(this, method, url, ...rest);
    const ours = new URL(url, location.href).origin === location.origin;
    if (ours && csrf && !["GET", "HEAD"].includes(method.toUpperCase())) this.setRequestHeader("X-CSRF-Token", csrf);
  };

  window.config = {
    name: "lightbox",
    routerBasename: `${root}/ohif`,
    extensions: [],
    modes: [],
    customizationService: { "ohif.tours": { $set: [] } }, // who reads images all day needs no tour on each machine
    showStudyList: true,
    maxNumberOfWebWorkers: 3,
    showWarningMessageForCrossOrigin: true,
    showCPUFallbackMessage: true,
    showLoadingIndicator: true,
    strictZSpacingForVolumeViewport: true,
    groupEnabledModesFirst: true,
    investigationalUseDialog: { option: "never" },
    maxNumRequests: { interaction: 100, thumbnail: 75, prefetch: 25 },
    defaultDataSourceName: "dicomweb",
    dataSources: [
      {
        namespace: "@ohif/extension-default.dataSourcesModule.dicomweb",
        sourceName: "dicomweb",
        configuration: {
          friendlyName: "Lightbox PACS",
          name: "lightbox",
          qidoRoot: dicomweb,
          wadoRoot: dicomweb,
          wadoUriRoot: `${root}/wado`,
          qidoSupportsIncludeField: true,
          supportsReject: false,
          supportsFuzzyMatching: true,
          supportsWildcard: true,
          imageRendering: "wadors",
          thumbnailRendering: "wadors",
          enableStudyLazyLoad: true,
          dicomUploadEnabled: true,
          singlepart: "bulkdata,video,pdf",
          bulkDataURI: { enabled: true, relativeResolution: "studies" },
          omitQuotationForMultipartRequest: true,
        },
      },
    ],
  };
})();

//! Card of the page *Upgrade* for uploading a bundle. It shows the state of an upload when the page was opened; its
//! script continues from there.

use axum::extract::State;
use landfall_peer::RefusedUpload;
use serde::Deserialize;

use crate::access::Caller;
use crate::api::remove_upload;
use crate::console::PageResult;
use crate::console::fields::{FormFields, tell};
use crate::console::moment::Moment;
use crate::context::Context;
use crate::host::{Upload, UploadsPage};

/// Content of the card.
pub(super) struct UploadCard {
    /// Maximum size of a new upload in bytes.
    pub(super) room_bytes: u64,
    pub(super) upload: Option<Upload>,
    pub(super) begun: Option<Moment>,
    pub(super) expires: Option<Moment>,
    pub(super) refused: Option<RefusedBundle>,
}

/// The last refused upload.
pub(super) struct RefusedBundle {
    pub(super) upload: RefusedUpload,
    pub(super) at: Option<Moment>,
}

impl UploadCard {
    /// Reads the card's content; `None` if the host does not report it.
    pub(super) async fn read(context: &Context) -> Option<Self> {
        let UploadsPage { room_bytes, upload, refused } = context.site.uploads().await.ok()?;
        let time = |text: fn(&Upload) -> &str| Moment::read(upload.as_ref().map(text));
        let (begun, expires) = (time(|upload| &upload.begun), time(|upload| &upload.expires));
        let refused = refused.map(|upload| RefusedBundle { at: Moment::read(Some(&upload.at)), upload });
        Some(Self { room_bytes, upload, begun, expires, refused })
    }

    /// Returns true if a file can be chosen: there is no upload, or an incomplete one.
    pub(super) fn takes_more(&self) -> bool {
        self.upload.as_ref().is_none_or(|upload| upload.medium.is_none())
    }
}

#[derive(Deserialize)]
pub struct UploadForm {
    id: String,
}

pub async fn remove(
    State(context): State<Context>,
    caller: Caller,
    FormFields(form): FormFields<UploadForm>,
) -> PageResult {
    remove_upload(&context, &caller, form.id).await?;
    tell(&caller, "/upgrade", "upload-removed")
}

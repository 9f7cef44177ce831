//! The dashboard and the documentation page, embedded: they need no network but the bridge itself.

use axum::response::{IntoResponse, Response};
use http::HeaderValue;
use http::header::{CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE};

/// A file of a page. It holds no data, so it is open to everybody.
pub(crate) struct Page {
    /// Where it is served.
    pub path: &'static str,
    kind: &'static str,
    text: &'static str,
}

/// All of them.
pub(crate) const PAGES: &[Page] = &[
    Page {
        path: "/",
        kind: "text/html; charset=utf-8",
        text: include_str!("../../../../web/dashboard/index.html"),
    },
    Page {
        path: "/dashboard.css",
        kind: "text/css; charset=utf-8",
        text: include_str!("../../../../web/dashboard/dashboard.css"),
    },
    Page {
        path: "/dashboard.js",
        kind: "text/javascript; charset=utf-8",
        text: include_str!("../../../../web/dashboard/dashboard.js"),
    },
    Page {
        path: "/token.js",
        kind: "text/javascript; charset=utf-8",
        text: include_str!("../../../../web/dashboard/token.js"),
    },
    Page {
        path: "/docs",
        kind: "text/html; charset=utf-8",
        text: include_str!("../../../../web/docs/index.html"),
    },
    Page {
        path: "/docs.css",
        kind: "text/css; charset=utf-8",
        text: include_str!("../../../../web/docs/docs.css"),
    },
    Page {
        path: "/docs.js",
        kind: "text/javascript; charset=utf-8",
        text: include_str!("../../../../web/docs/docs.js"),
    },
];

impl Page {
    /// The file with its headers; `policy` says what it may load, and who may frame it.
    pub(crate) fn response(&self, policy: &HeaderValue) -> Response {
        let mut response = self.text.into_response();
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(self.kind));
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-cache"));
        headers.insert(CONTENT_SECURITY_POLICY, policy.clone());
        response
    }
}

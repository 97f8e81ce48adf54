//! The bodies of requests and responses, counted while they pass.
//! Ends one that is too large or too slow; never keeps or changes what is in it.

use super::Attempt;
use crate::sandbox::stopwatch::Asking;
use hyper::body::{Body, Bytes, Frame, Incoming, SizeHint};
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::{Instant, Sleep};
use wasmtime_wasi::runtime::AbortOnDropJoinHandle;
use wasmtime_wasi_http::{Error, WasiBody};

/// A request's body on its way out.
pub(super) struct Sending {
    pub(super) body: WasiBody,
    pub(super) attempt: Arc<Attempt>,
}

impl Body for Sending {
    type Data = Bytes;
    type Error = Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        loop {
            let Some(frame) = ready!(Pin::new(&mut self.body).poll_frame(context)) else {
                return Poll::Ready(None);
            };
            // Trailers are left out: they could say what headers may not.
            let Ok(bytes) = frame?.into_data() else { continue };
            if let Err(exceeded) = self.attempt.budget.sends(bytes.len()) {
                self.attempt.notes.tell(format!(
                    "a request was ended: all its requests together may have {} bytes (`http_sent_max`)",
                    exceeded.0
                ));
                return Poll::Ready(Some(Err(Error::HttpRequestBodySize(Some(exceeded.0)))));
            }
            return Poll::Ready(Some(Ok(Frame::data(bytes))));
        }
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// A response's body on its way in. Dropping it ends its connection.
pub(super) struct Receiving {
    pub(super) body: Incoming,
    pub(super) attempt: Arc<Attempt>,
    /// How long the next bytes may take.
    pub(super) pace: Duration,
    pub(super) late: Pin<Box<Sleep>>,
    pub(super) _connection: AbortOnDropJoinHandle<()>,
    pub(super) _permit: OwnedSemaphorePermit,
    /// The request that it answers.
    pub(super) asking: Asking,
}

impl Body for Receiving {
    type Data = Bytes;
    type Error = Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        let Poll::Ready(frame) = Pin::new(&mut self.body).poll_frame(context) else {
            ready!(self.late.as_mut().poll(context));
            return Poll::Ready(Some(Err(Error::ConnectionReadTimeout)));
        };
        let frame = match frame {
            None => {
                self.asking.ends();
                return Poll::Ready(None);
            }
            Some(Err(error)) => return Poll::Ready(Some(Err(cut_short(&error)))),
            Some(Ok(frame)) => frame,
        };
        let bytes = frame.data_ref().map_or(0, Bytes::len);
        if let Err(exceeded) = self.attempt.budget.receives(bytes) {
            self.attempt.notes.tell(format!(
                "a response was ended: all its responses together may have {} bytes (`http_received_max`)",
                exceeded.0
            ));
            return Poll::Ready(Some(Err(Error::HttpResponseBodySize(Some(exceeded.0)))));
        }
        // Far futures are cut by the attempt's own end.
        let next = Instant::now().checked_add(self.pace);
        if let Some(next) = next {
            self.late.as_mut().reset(next);
        }
        if self.body.is_end_stream() {
            self.asking.ends();
        }
        Poll::Ready(Some(Ok(frame)))
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// Why a body did not come whole.
fn cut_short(error: &hyper::Error) -> Error {
    if error.is_parse() { Error::HttpProtocolError } else { Error::HttpResponseIncomplete }
}

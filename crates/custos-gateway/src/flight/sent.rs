//! What the client of a call sends.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use custos_query::ClientMemory;
use hyper::body::{Body as HttpBody, Frame};
use tonic::Status;
use tonic::body::Body;

use crate::sent_memory::SentMemory;
use crate::wire_error::Failure;

/// The body of a call, for all of which there is memory: messages are gathered until they are whole.
pub(super) struct Sent {
    body: Body,
    memory: SentMemory,
}

impl Sent {
    pub(super) const fn new(body: Body, memory: ClientMemory) -> Self {
        Self { body, memory: SentMemory::new(memory) }
    }
}

impl HttpBody for Sent {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        let frame = ready!(Pin::new(&mut self.body).poll_frame(context));
        if let Some(Ok(frame)) = &frame
            && let Some(data) = frame.data_ref()
            && let Err(error) = self.memory.take(data.len())
        {
            return Poll::Ready(Some(Err(Failure::from(error).into())));
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }
}

#[cfg(test)]
mod tests {
    use axum::body::Body as AnyBody;
    use futures::future::poll_fn;
    use futures::stream;
    use tonic::Code;

    use super::*;
    use crate::sent_memory::SENT_BYTES;

    async fn read(parts: &[u64], bytes_max: u64) -> Result<usize, Status> {
        let part = |len: &u64| Ok::<_, Status>(vec![b'x'; usize::try_from(*len).unwrap()]);
        let parts: Vec<_> = parts.iter().map(part).collect();
        let body = Body::new(AnyBody::from_stream(stream::iter(parts)));
        let mut sent = Sent::new(body, ClientMemory::up_to(bytes_max));
        let mut read = 0;
        while let Some(frame) = poll_fn(|context| Pin::new(&mut sent).poll_frame(context)).await {
            read += frame?.data_ref().map_or(0, Bytes::len);
        }
        Ok(read)
    }

    #[tokio::test]
    async fn what_there_is_memory_for_is_read_and_more_is_refused() {
        assert_eq!(read(&[SENT_BYTES], 0).await.unwrap(), 16_384);
        assert_eq!(read(&[SENT_BYTES, 40, 60], 100).await.unwrap(), 16_484);
        for (parts, bytes_max) in [(&[SENT_BYTES, 1][..], 0), (&[SENT_BYTES, 40, 61], 100)] {
            let refused = read(parts, bytes_max).await.unwrap_err();
            assert_eq!(refused.code(), Code::ResourceExhausted);
        }
    }
}

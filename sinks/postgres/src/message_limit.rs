//! What a server may send at once: a connection that looks at the length of each message before it is read.
//!
//! tokio-postgres keeps a message until it is whole, and its length is a number of the server's: up to 2 GB, for as long as
//! bytes come. What is asked of a database here is small: a row has some hundred columns, of which the largest is a JSON text.

use std::future::Ready;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use futures::TryFutureExt;
use futures::future::MapOk;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio_postgres::tls::{ChannelBinding, MakeTlsConnect, TlsConnect, TlsStream};

/// A thousand times what the largest row of a table of ours takes, and what a small machine can spare for a moment.
const MESSAGE_MAX: u32 = 64 << 20;
/// Type and length.
const HEADER: usize = 5;
/// Bytes that are read at a time.
const PIECE: usize = 16 << 10;

/// A stream from a server; its messages are looked at on their way.
pub(crate) struct Limited<S> {
    inner: S,
    binding: fn(&S) -> ChannelBinding,
    /// Read and not handed on.
    buffer: Vec<u8>,
    /// How much of it was handed on.
    handed: usize,
    /// Up to where it was looked at; behind it is the beginning of a header.
    passed: usize,
    /// What is missing of the message under way.
    body: usize,
    /// No more is read.
    refused: bool,
}

impl<S> Limited<S> {
    fn new(inner: S, binding: fn(&S) -> ChannelBinding) -> Self {
        Self { inner, binding, buffer: Vec::new(), handed: 0, passed: 0, body: 0, refused: false }
    }

    /// Looks at what came.
    fn look(&mut self) {
        loop {
            let taken = self.body.min(self.buffer.len() - self.passed);
            (self.passed, self.body) = (self.passed + taken, self.body - taken);
            let Some(&[_, a, b, c, d]) = self.buffer.get(self.passed..self.passed + HEADER) else { return };
            let length = u32::from_be_bytes([a, b, c, d]);
            if length > MESSAGE_MAX {
                return self.refuse(length);
            }
            self.passed += HEADER;
            // The length counts itself.
            self.body = usize::try_from(length).unwrap_or(0).saturating_sub(HEADER - 1);
        }
    }

    /// In place of the message comes an error: what is wrong with a connection tokio-postgres does not tell whoever waits for an
    /// answer, only what the server says.
    fn refuse(&mut self, length: u32) {
        let message = format!(
            "the server announces a message of {length} bytes, and more than {} MiB are not taken: this is no \
             PostgreSQL server, or a table has a row that large",
            MESSAGE_MAX >> 20
        );
        let mut fields = Vec::new();
        for (field, text) in [(b'S', "FATAL"), (b'V', "FATAL"), (b'C', "08P01"), (b'M', message.as_str())] {
            fields.push(field);
            fields.extend_from_slice(text.as_bytes());
            fields.push(0);
        }
        fields.push(0);
        self.buffer.truncate(self.passed);
        self.buffer.push(b'E');
        let length = u32::try_from(fields.len() + HEADER - 1).unwrap_or(0);
        self.buffer.extend_from_slice(&length.to_be_bytes());
        self.buffer.extend_from_slice(&fields);
        self.passed = self.buffer.len();
        self.refused = true;
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Limited<S> {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        into: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        while this.handed == this.passed && !this.refused {
            this.buffer.drain(..this.passed);
            (this.handed, this.passed) = (0, 0);
            let held = this.buffer.len();
            this.buffer.resize(held + PIECE, 0);
            let mut piece = ReadBuf::new(&mut this.buffer[held..]);
            let read = Pin::new(&mut this.inner).poll_read(context, &mut piece);
            let came = piece.filled().len();
            this.buffer.truncate(held + came);
            ready!(read)?;
            if came == 0 {
                // The end, in the middle of a header or not.
                this.passed = this.buffer.len();
                break;
            }
            this.look();
        }
        let ready = &this.buffer[this.handed..this.passed];
        let taken = ready.len().min(into.remaining());
        into.put_slice(&ready[..taken]);
        this.handed += taken;
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Limited<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.inner).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_shutdown(context)
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> TlsStream for Limited<S> {
    fn channel_binding(&self) -> ChannelBinding {
        (self.binding)(&self.inner)
    }
}

/// TLS as `M` makes it, with the limit.
pub(crate) struct Encrypted<M>(pub(crate) M);

impl<S, M: MakeTlsConnect<S>> MakeTlsConnect<S> for Encrypted<M> {
    type Stream = Limited<M::Stream>;
    type TlsConnect = Encrypted<M::TlsConnect>;
    type Error = M::Error;

    fn make_tls_connect(&mut self, host: &str) -> Result<Self::TlsConnect, M::Error> {
        self.0.make_tls_connect(host).map(Encrypted)
    }
}

impl<S, C: TlsConnect<S>> TlsConnect<S> for Encrypted<C> {
    type Stream = Limited<C::Stream>;
    type Error = C::Error;
    type Future = MapOk<C::Future, fn(C::Stream) -> Limited<C::Stream>>;

    fn connect(self, stream: S) -> Self::Future {
        self.0.connect(stream).map_ok(|stream| Limited::new(stream, C::Stream::channel_binding))
    }
}

/// No TLS, with the limit. To tokio-postgres it is a kind of TLS that needs no handshake: only there a stream can be put
/// around the one that it opens.
#[derive(Clone, Copy)]
pub(crate) struct Unencrypted;

impl<S: AsyncRead + AsyncWrite + Unpin> MakeTlsConnect<S> for Unencrypted {
    type Stream = Limited<S>;
    type TlsConnect = Self;
    type Error = io::Error;

    fn make_tls_connect(&mut self, _: &str) -> io::Result<Self> {
        Ok(*self)
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> TlsConnect<S> for Unencrypted {
    type Stream = Limited<S>;
    type Error = io::Error;
    type Future = Ready<io::Result<Limited<S>>>;

    fn connect(self, stream: S) -> Self::Future {
        std::future::ready(Ok(Limited::new(stream, |_| ChannelBinding::none())))
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    use super::*;

    fn message(kind: u8, body: usize) -> Vec<u8> {
        let length = u32::try_from(body + 4).unwrap();
        [&[kind], length.to_be_bytes().as_slice(), &vec![kind; body]].concat()
    }

    /// What comes out of it, however it is cut on its way.
    async fn through(sent: &[u8], pieces: usize) -> Vec<u8> {
        let (near, mut far) = tokio::io::duplex(pieces);
        let sent = sent.to_vec();
        let sending = tokio::spawn(async move { drop(far.write_all(&sent).await) });
        let mut limited = Limited::new(near, |_| ChannelBinding::none());
        let mut out = Vec::new();
        limited.read_to_end(&mut out).await.unwrap();
        drop(limited);
        sending.await.unwrap();
        out
    }

    #[tokio::test]
    async fn messages_pass_as_they_are_and_one_that_is_too_large_becomes_an_error() {
        let mut good = [message(b'R', 8), message(b'Z', 0), message(b'D', 70_000)].concat();
        good.extend(message(b'C', 3));
        let large = [&good[..], &[b'D', 0x40, 0, 0, 0], &vec![0; 100_000]].concat();
        for pieces in [1, 3, 7, 4096, 1 << 20] {
            assert_eq!(through(&good, pieces).await, good, "{pieces}");
            // The connection ends in the middle of a header.
            assert_eq!(through(&good[..11], pieces).await, &good[..11], "{pieces}");
            let out = through(&large, pieces).await;
            let (passed, error) = out.split_at(good.len());
            assert_eq!(passed, good, "{pieces}");
            assert_eq!(
                (error[0], error.len()),
                (b'E', 1 + u32::from_be_bytes(error[1..5].try_into().unwrap()) as usize)
            );
            assert!(String::from_utf8_lossy(error).contains("a message of 1073741824 bytes"), "{pieces}");
        }
        assert_eq!(through(&[b'D', 0xff, 0xff, 0xff, 0xff], 4096).await[0], b'E');
    }
}

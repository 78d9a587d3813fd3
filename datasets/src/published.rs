//! The data sets that are published as four files: their names, their checksums and the mirrors that have them.

/// A data set that is published as four files.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Published {
    /// MNIST, by LeCun, Cortes and Burges: handwritten digits.
    Mnist,
    /// Fashion-MNIST, by Xiao, Rasul and Vollgraf: articles of clothing instead of digits, in the same format.
    FashionMnist,
}

/// One of the four files of a published data set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum File {
    /// 60 000 images to train and validate on.
    TrainImages,
    /// The labels of [`TrainImages`](File::TrainImages).
    TrainLabels,
    /// 10 000 images to test on.
    TestImages,
    /// The labels of [`TestImages`](File::TestImages).
    TestLabels,
}

impl File {
    /// All four files.
    pub const ALL: [File; 4] = [File::TrainImages, File::TrainLabels, File::TestImages, File::TestLabels];

    /// The published name of the file, without `.gz`.
    pub fn name(self) -> &'static str {
        match self {
            File::TrainImages => "train-images-idx3-ubyte",
            File::TrainLabels => "train-labels-idx1-ubyte",
            File::TestImages => "t10k-images-idx3-ubyte",
            File::TestLabels => "t10k-labels-idx1-ubyte",
        }
    }
}

/// The hash that a file must have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Checksum {
    /// The SHA-256 of the decompressed file. It is the same for every mirror, whatever its compression.
    PlainSha256(&'static str),
    /// The MD5 of the compressed file, if nothing else was published.
    GzipMd5(&'static str),
}

impl Published {
    /// The name on the command line, in configurations, and of the folder in the cache.
    pub fn name(self) -> &'static str {
        match self {
            Published::Mnist => "mnist",
            Published::FashionMnist => "fashion-mnist",
        }
    }

    /// The name in messages.
    pub fn title(self) -> &'static str {
        match self {
            Published::Mnist => "MNIST",
            Published::FashionMnist => "Fashion-MNIST",
        }
    }

    /// The names of the classes, in the order of the labels.
    pub fn class_names(self) -> [&'static str; 10] {
        match self {
            Published::Mnist => ["0", "1", "2", "3", "4", "5", "6", "7", "8", "9"],
            Published::FashionMnist => [
                "T-shirt/top",
                "Trouser",
                "Pullover",
                "Dress",
                "Coat",
                "Sandal",
                "Shirt",
                "Sneaker",
                "Bag",
                "Ankle boot",
            ],
        }
    }

    /// The URLs of the folders that have the files, each as `NAME.gz`. They use plain HTTP: the checksum guards the contents,
    /// not the connection.
    pub fn mirrors(self) -> &'static [&'static str] {
        match self {
            Published::Mnist => &[
                "http://storage.googleapis.com/cvdf-datasets/mnist/",
                "http://ossci-datasets.s3.amazonaws.com/mnist/",
                "http://yann.lecun.com/exdb/mnist/",
            ],
            Published::FashionMnist => &[
                "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/",
                "http://storage.googleapis.com/tensorflow/tf-keras-datasets/",
            ],
        }
    }

    /// The hash that a file must have. For MNIST it is the hash of the decompressed file. For Fashion-MNIST it is the MD5 sum of
    /// the compressed file, which the README of zalandoresearch/fashion-mnist publishes.
    pub fn checksum(self, file: File) -> Checksum {
        use Checksum::{GzipMd5, PlainSha256};
        match (self, file) {
            (Published::Mnist, File::TrainImages) => {
                PlainSha256("ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db")
            }
            (Published::Mnist, File::TrainLabels) => {
                PlainSha256("65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5")
            }
            (Published::Mnist, File::TestImages) => {
                PlainSha256("0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7")
            }
            (Published::Mnist, File::TestLabels) => {
                PlainSha256("ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2")
            }
            (Published::FashionMnist, File::TrainImages) => GzipMd5("8d4fb7e6c68d591d4c3dfef9ec88bf0d"),
            (Published::FashionMnist, File::TrainLabels) => GzipMd5("25c81989df183df01b3e8a0aad5dffbe"),
            (Published::FashionMnist, File::TestImages) => GzipMd5("bef4ecab320f06d8554ea6380940ec79"),
            (Published::FashionMnist, File::TestLabels) => GzipMd5("bb300cfdad3c16e7a12a480ee83cd310"),
        }
    }
}

impl Checksum {
    /// The name of the hash function.
    pub fn algorithm(self) -> &'static str {
        match self {
            Checksum::PlainSha256(_) => "SHA-256",
            Checksum::GzipMd5(_) => "MD5",
        }
    }

    /// The hash, in hexadecimal.
    pub fn value(self) -> &'static str {
        match self {
            Checksum::PlainSha256(value) | Checksum::GzipMd5(value) => value,
        }
    }
}

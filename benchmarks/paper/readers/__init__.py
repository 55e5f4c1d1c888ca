"""The data sets of the paper, read from the files that their authors publish.

Every reader has `find(data)`, which returns where the data set lies under a folder, and `read(path)`, which returns its
images. The files are untrusted: none is extracted, no pickle is executed, every size is checked before it is used, and
an error is one line that names the file.
"""

"""The data sets of the paper, read from the files that their authors publish.

Every reader has `find(data)`, where the data set lies under a folder, and `read(path)`, what is in it. What is read
comes from strangers: no file is extracted, no pickle is run, no size is believed before it is checked, and whatever is
wrong is one line that names the file.
"""

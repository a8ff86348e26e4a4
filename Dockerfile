# A server with JupyterLab on the book:  docker build -t book .  and  docker run --rm -p 8888:8888 book
FROM python:3.12-slim
RUN pip install --no-cache-dir "torch>=2.2,<=2.13.0" --index-url https://download.pytorch.org/whl/cpu
COPY . /home/reader
WORKDIR /home/reader
RUN pip install --no-cache-dir -r requirements.txt
RUN useradd reader && chown -R reader /home/reader
USER reader
RUN jupyter trust book/*.ipynb book/appendices/*.ipynb
EXPOSE 8888
CMD ["jupyter", "lab", "--ip=0.0.0.0", "--no-browser", "--LabApp.default_url=/lab/tree/book/index.ipynb", "--LabApp.app_settings_dir=book/jupyterlab"]
